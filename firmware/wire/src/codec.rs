//! Reading and writing bytes without ever running over the end.

/// The bytes ended inside a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated;

/// The buffer is too small for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Takes fields from the front of a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Truncated`] when fewer are left; then nothing is taken.
    pub const fn bytes(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        match self.rest.split_at_checked(n) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Truncated),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub const fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Truncated),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Four bytes.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// A variable-length integer, RFC 9000 §16.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn varint(&mut self) -> Result<u64, Truncated> {
        let first = *self.rest.first().ok_or(Truncated)?;
        let len = 1 << (first >> 6);
        let bytes = self.bytes(len)?;
        Ok(bytes[1..].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
    }

    /// A signed variable-length integer: zigzag in a varint.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    pub fn signed(&mut self) -> Result<i64, Truncated> {
        self.varint().map(|zigzag| (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }
}

/// Puts fields at the end of a slice.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    /// Writes from the first byte on.
    pub const fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }

    /// Bytes written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that still fit.
    pub const fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    /// What is written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Lets nothing follow what is written.
    pub fn close(&mut self) {
        let bytes = core::mem::take(&mut self.bytes);
        self.bytes = &mut bytes[..self.len];
    }

    /// Goes back to an earlier length, dropping what came after.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// # Errors
    /// [`Full`] when they do not fit; then nothing is written.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let to = self.bytes.get_mut(self.len..self.len + bytes.len()).ok_or(Full)?;
        to.copy_from_slice(bytes);
        self.len += bytes.len();
        Ok(())
    }

    /// # Errors
    /// As [`Writer::bytes`].
    pub fn u8(&mut self, value: u8) -> Result<(), Full> {
        self.bytes(&[value])
    }

    /// # Errors
    /// As [`Writer::bytes`].
    pub fn u32(&mut self, value: u32) -> Result<(), Full> {
        self.bytes(&value.to_be_bytes())
    }

    /// A variable-length integer; values from 2⁶² on are written as 2⁶² − 1.
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    pub fn varint(&mut self, value: u64) -> Result<(), Full> {
        let value = value.min(VARINT_MAX);
        let len = varint_len(value);
        let mut bytes = value.to_be_bytes();
        bytes[8 - len] |= (len.trailing_zeros() as u8) << 6;
        self.bytes(&bytes[8 - len..])
    }

    /// A signed variable-length integer: zigzag in a varint.
    ///
    /// # Errors
    /// As [`Writer::bytes`].
    pub fn signed(&mut self, value: i64) -> Result<(), Full> {
        self.varint((value << 1 ^ value >> 63).cast_unsigned())
    }
}

/// Bytes that `value` takes as a varint.
pub const fn varint_len(value: u64) -> usize {
    match value {
        0..0x40 => 1,
        0x40..0x4000 => 2,
        0x4000..0x4000_0000 => 4,
        _ => 8,
    }
}

const VARINT_MAX: u64 = (1 << 62) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_9000_appendix_a_1() {
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(Reader::new(bytes).varint(), Ok(value));
            let mut buffer = [0; 8];
            let mut writer = Writer::new(&mut buffer);
            writer.varint(value).unwrap();
            let len = writer.len();
            assert_eq!(&buffer[..len], bytes);
        }
    }

    #[test]
    fn a_full_writer_keeps_what_it_has() {
        let mut buffer = [0; 3];
        let mut writer = Writer::new(&mut buffer);
        writer.u8(7).unwrap();
        assert_eq!(writer.u32(1), Err(Full));
        assert_eq!((writer.len(), writer.room()), (1, 2));
    }
}
