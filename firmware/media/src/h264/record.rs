//! `avcC` (ISO/IEC 14496-15 §5.3.3.1).

use alloc::vec::Vec;

use crate::record::{Cursor, ParameterRecord, RecordError, append, length_size};

/// Reads an `avcC` record.
///
/// # Errors
/// When it is of another version or ends early.
pub fn parse_avcc(record: &[u8]) -> Result<ParameterRecord, RecordError> {
    let mut cursor = Cursor(record);
    match cursor.take(4)?[0] {
        1 => {}
        version => return Err(RecordError::Version(version)),
    }
    let length_size = length_size(cursor.byte()?)?;
    let mut parameter_sets = Vec::new();
    for count_mask in [0x1f, 0xff] {
        for _ in 0..cursor.byte()? & count_mask {
            append(&mut parameter_sets, cursor.counted(2)?);
        }
    }
    Ok(ParameterRecord { length_size, parameter_sets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_a_sample_become_byte_streams() {
        let record = parse_avcc(&[1, 66, 0, 31, 0xff, 0xe1, 0, 2, 0x67, 66, 1, 0, 1, 0x68]).unwrap();
        assert_eq!(record.length_size, 4);
        assert_eq!(record.parameter_sets, [0, 0, 0, 1, 0x67, 66, 0, 0, 0, 1, 0x68]);
        let stream = record.to_byte_stream(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 0x65, 1]).unwrap();
        assert_eq!(stream, [0, 0, 0, 1, 9, 0, 0, 0, 1, 0x65, 1]);
        assert_eq!(record.to_byte_stream(&[0, 0, 0, 3, 9]), Err(RecordError::Truncated { wanted: 3, left: 1 }));
    }

    #[test]
    fn other_versions_and_length_sizes_are_refused() {
        assert_eq!(parse_avcc(&[2, 0, 0, 0]), Err(RecordError::Version(2)));
        assert_eq!(parse_avcc(&[1, 0, 0, 0, 0xfe]), Err(RecordError::LengthSize(3)));
    }
}
