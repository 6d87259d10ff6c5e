//! NAL units in a byte stream (ITU-T H.264 and H.265, Annex B).

use alloc::vec::Vec;

use memchr::memmem;

/// Comes before every NAL unit.
pub const START_CODE: [u8; 3] = [0, 0, 1];

/// The NAL units of `stream`, without start codes and trailing zeros; what precedes the first start code is left out.
pub fn nal_units(stream: &[u8]) -> NalUnits<'_> {
    let mut starts = memmem::find_iter(stream, &START_CODE);
    let begin = starts.next().map(|at| at + START_CODE.len());
    NalUnits { stream, starts, begin }
}

/// See [`nal_units`].
pub struct NalUnits<'a> {
    stream: &'a [u8],
    starts: memmem::FindIter<'a, 'static>,
    begin: Option<usize>,
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let begin = self.begin?;
            let next = self.starts.next();
            self.begin = next.map(|at| at + START_CODE.len());
            // A NAL unit never ends in a zero byte (§7.4.1): zeros here belong to the next start code.
            let nal = trim_zeros(&self.stream[begin..next.unwrap_or(self.stream.len())]);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
    }
}

/// The payload of a NAL unit with its emulation prevention bytes removed (§7.3.1).
pub fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

fn trim_zeros(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., 0] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_both_lengths_part_the_stream() {
        let stream = [9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 0, 0, 0, 0, 1, 0, 0, 1, 0x65];
        let nals: Vec<&[u8]> = nal_units(&stream).collect();
        assert_eq!(nals, [&[0x67, 1][..], &[0x68], &[0x65]]);
        assert_eq!(nal_units(&[0, 0]).count(), 0);
    }

    #[test]
    fn emulation_prevention_is_removed_only_after_two_zeros() {
        assert_eq!(without_emulation_prevention(&[0, 0, 3, 1, 0, 3, 0, 0, 3, 0, 0, 3]), [0, 0, 1, 0, 3, 0, 0, 0, 0]);
    }
}
