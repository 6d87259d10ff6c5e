//! Parameter sets as MP4 and Matroska keep them, and NAL units behind lengths, made into byte streams.

use alloc::vec::Vec;

/// Parameter sets from an `avcC` or `hvcC` record (ISO/IEC 14496-15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterRecord {
    /// Bytes of the length before each NAL unit of a sample: 1, 2 or 4.
    pub length_size: u8,
    /// The parameter sets as a byte stream.
    pub parameter_sets: Vec<u8>,
}

impl ParameterRecord {
    /// A sample (NAL units behind lengths) as a byte stream.
    ///
    /// # Errors
    /// When a length points past the end.
    pub fn to_byte_stream(&self, sample: &[u8]) -> Result<Vec<u8>, RecordError> {
        let mut out = Vec::with_capacity(sample.len() + 16);
        let mut cursor = Cursor(sample);
        while !cursor.0.is_empty() {
            append(&mut out, cursor.counted(usize::from(self.length_size))?);
        }
        Ok(out)
    }
}

/// Why a record or sample cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A length points past the end.
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated {
        /// Bytes that the record announces.
        wanted: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// Only version 1 is known.
    #[error("configuration record of version {0}, must be 1")]
    Version(u8),
    /// Lengths of three bytes are not allowed.
    #[error("NAL unit lengths of {0} bytes, must be 1, 2 or 4")]
    LengthSize(u8),
}

/// Appends a NAL unit with its start code.
pub(crate) fn append(out: &mut Vec<u8>, nal: &[u8]) {
    out.extend_from_slice(&[0, 0, 0, 1]);
    out.extend_from_slice(nal);
}

/// `lengthSizeMinusOne` from the lowest two bits.
pub(crate) fn length_size(byte: u8) -> Result<u8, RecordError> {
    match (byte & 3) + 1 {
        3 => Err(RecordError::LengthSize(3)),
        size => Ok(size),
    }
}

pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let short = RecordError::Truncated { wanted: count, left: self.0.len() };
        let (taken, rest) = self.0.split_at_checked(count).ok_or(short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        Ok(self.take(1)?[0])
    }

    /// A big-endian length of `size` bytes, at most 4, and that many bytes.
    pub(crate) fn counted(&mut self, size: usize) -> Result<&'a [u8], RecordError> {
        let length = self.take(size)?.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        self.take(length as usize)
    }
}
