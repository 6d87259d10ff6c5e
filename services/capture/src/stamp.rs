//! The frame number in the picture.
//!
//! A test that reads it at the far end knows which frames arrived, in which order and how late, whatever happened to
//! time stamps on the way. It is drawn into raw frames before the encoder and made to survive it: large, black and
//! white, on the encoder's own grid.
//!
//! # Layout
//!
//! One row of 34 square blocks, left to right: one white, one black (the *sync pair*), then the 32 bits of the number,
//! most significant first, white for 1. With integer division, for a picture of `width` × `height` pixels:
//!
//! | | | 640×360 | 1280×720 | 1920×1080 |
//! |---|---|---|---|---|
//! | `block` | `width / 40 / 2 * 2`, at least 8 | 16 | 32 | 48 |
//! | `left` | `block` | 16 | 32 | 48 |
//! | `top` | `(height - block) / block * block` | 336 | 672 | 1008 |
//!
//! White is luma 235, black 16, chroma 128. To read it, average the luma over the middle half of each block each way, and
//! compare with the middle of the sync pair. In a browser: draw the `<video>` on a canvas of the picture's size, and
//! take the green channel.

/// Where the blocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    block: usize,
    left: usize,
    top: usize,
}

/// One plane of a picture, 8 bits a sample.
#[derive(Debug)]
pub struct Plane<'a> {
    /// Its samples, row after row.
    pub samples: &'a mut [u8],
    /// From one row to the next.
    pub stride: usize,
}

impl Layout {
    /// For a picture of this size in pixels; `None` when it is too small to carry a number.
    pub fn of(width: usize, height: usize) -> Option<Self> {
        let block = width / 40 / 2 * 2;
        (block >= SMALLEST_BLOCK && height >= block).then(|| Self {
            block,
            left: block,
            top: (height - block) / block * block,
        })
    }

    /// Draws `number` into an I420 picture: luma, then the two chroma planes.
    ///
    /// # Panics
    /// When a plane is smaller than the picture that the layout was made for.
    pub fn draw(&self, number: u32, planes: [Plane<'_>; 3]) {
        let [mut luma, chroma @ ..] = planes;
        for (place, white) in blocks(number).enumerate() {
            luma.fill(self.left + place * self.block, self.top, self.block, if white { WHITE } else { BLACK });
        }
        for mut plane in chroma {
            for place in 0..BLOCKS {
                plane.fill((self.left + place * self.block) / 2, self.top / 2, self.block / 2, NEUTRAL);
            }
        }
    }

    /// Reads the number from a luma plane; `None` when there is none, or it is damaged beyond reading.
    pub fn read(&self, luma: &[u8], stride: usize) -> Option<u32> {
        let mean = |place: usize| self.mean(luma, stride, place);
        let (white, black) = (mean(0)?, mean(1)?);
        if white < black + SMALLEST_CONTRAST {
            return None;
        }
        let middle = (white + black) / 2;
        (SYNC..BLOCKS).try_fold(0, |number: u32, place| {
            let level = mean(place)?;
            // Neither black nor white: guessing would turn damage into a wrong number.
            let clear = level.abs_diff(middle) >= SMALLEST_CONTRAST / 4;
            clear.then_some(number << 1 | u32::from(level > middle))
        })
    }

    fn mean(&self, luma: &[u8], stride: usize, place: usize) -> Option<u32> {
        let quarter = self.block / 4;
        let (x, y, side) = (self.left + place * self.block + quarter, self.top + quarter, self.block - 2 * quarter);
        let mut sum = 0;
        for row in y..y + side {
            sum += luma.get(row * stride + x..row * stride + x + side)?.iter().map(|&v| u32::from(v)).sum::<u32>();
        }
        u32::try_from(side * side).ok().map(|count| sum / count)
    }
}

impl Plane<'_> {
    fn fill(&mut self, x: usize, y: usize, side: usize, value: u8) {
        for row in y..y + side {
            self.samples[row * self.stride + x..][..side].fill(value);
        }
    }
}

/// White, black, then the bits.
fn blocks(number: u32) -> impl Iterator<Item = bool> {
    [true, false].into_iter().chain((0..32).rev().map(move |bit| number >> bit & 1 == 1))
}

const SYNC: usize = 2;
const BLOCKS: usize = SYNC + 32;
const SMALLEST_BLOCK: usize = 8;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
const NEUTRAL: u8 = 128;
/// A third of what is drawn: below it, what was read is noise.
const SMALLEST_CONTRAST: u32 = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_the_documented_one() {
        let at = |block, top| Some(Layout { block, left: block, top });
        assert_eq!(Layout::of(640, 360), at(16, 336));
        assert_eq!(Layout::of(1280, 720), at(32, 672));
        assert_eq!(Layout::of(1920, 1080), at(48, 1008));
        assert_eq!(Layout::of(318, 180), None, "blocks of 6 pixels do not survive");
        assert_eq!(Layout::of(640, 8), None);
    }

    #[test]
    fn every_bit_is_read_back() {
        let layout = Layout::of(640, 360).unwrap();
        for number in (0..32).map(|bit| 1 << bit).chain([0, u32::MAX, 0xdead_beef]) {
            let mut picture = Picture::grey();
            picture.draw(layout, number);
            assert_eq!(layout.read(&picture.luma, 640), Some(number));
        }
    }

    #[test]
    fn a_picture_without_a_number_has_none() {
        let layout = Layout::of(640, 360).unwrap();
        assert_eq!(layout.read(&Picture::grey().luma, 640), None);
    }

    #[test]
    fn a_smeared_block_is_no_guess() {
        let layout = Layout::of(640, 360).unwrap();
        let mut picture = Picture::grey();
        picture.draw(layout, 7);
        Plane { samples: &mut picture.luma, stride: 640 }.fill(16 * 10, 336, 16, 128);
        assert_eq!(layout.read(&picture.luma, 640), None);
    }

    #[test]
    fn a_plane_cut_short_is_no_number() {
        let layout = Layout::of(640, 360).unwrap();
        let mut picture = Picture::grey();
        picture.draw(layout, 7);
        assert_eq!(layout.read(&picture.luma[..640 * 340], 640), None);
    }

    struct Picture {
        luma: Vec<u8>,
        chroma: [Vec<u8>; 2],
    }

    impl Picture {
        fn grey() -> Self {
            Self { luma: vec![100; 640 * 360], chroma: [vec![90; 320 * 180], vec![90; 320 * 180]] }
        }

        fn draw(&mut self, layout: Layout, number: u32) {
            let [u, v] = &mut self.chroma;
            let plane = |samples, stride| Plane { samples, stride };
            layout.draw(number, [plane(&mut self.luma, 640), plane(u, 320), plane(v, 320)]);
        }
    }
}
