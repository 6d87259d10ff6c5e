/**
 * Reads the frame number that capture draws into its test picture.
 *
 * The layout is documented in `services/capture/src/stamp.rs`: one row of 34 square blocks, white
 * and black for the levels, then 32 bits. Both functions also run inside the browser, where their
 * text is put into the page; so neither uses anything from outside itself.
 */

/** Where the row of blocks is in a picture of this size; `null` when it is too small for one. */
export function layoutOf(width, height) {
  const block = Math.floor(Math.floor(width / 40) / 2) * 2;
  if (block < 8 || height < block) return null;
  return { block, left: block, top: Math.floor((height - block) / block) * block, blocks: 34 };
}

/**
 * The number in a strip that holds the row of blocks and nothing else, one byte a pixel.
 *
 * `null` when there is none, or when a block is neither black nor white: a guess would turn damage
 * into a wrong number.
 */
export function readStrip(luma, block) {
  const stride = block * 34;
  const quarter = Math.floor(block / 4);
  const side = block - 2 * quarter;
  const mean = (place) => {
    let sum = 0;
    for (let y = quarter; y < quarter + side; y += 1) {
      const from = y * stride + place * block + quarter;
      for (let x = from; x < from + side; x += 1) sum += luma[x];
    }
    return sum / (side * side);
  };
  const white = mean(0);
  const black = mean(1);
  const contrast = white - black;
  if (!(contrast >= 70)) return null;
  const middle = (white + black) / 2;
  let number = 0;
  for (let place = 2; place < 34; place += 1) {
    const level = mean(place) - middle;
    if (Math.abs(level) < contrast / 12) return null;
    number = number * 2 + (level > 0 ? 1 : 0);
  }
  return number;
}
