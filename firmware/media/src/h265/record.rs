//! `hvcC` (ISO/IEC 14496-15 §8.3.3.1).

use alloc::vec::Vec;

use crate::record::{Cursor, ParameterRecord, RecordError, append, length_size};

/// Reads an `hvcC` record.
///
/// # Errors
/// When it is of another version or ends early.
pub fn parse_hvcc(record: &[u8]) -> Result<ParameterRecord, RecordError> {
    let mut cursor = Cursor(record);
    match cursor.take(1)?[0] {
        1 => {}
        version => return Err(RecordError::Version(version)),
    }
    cursor.take(20)?; // profile, tier, level and picture format
    let length_size = length_size(cursor.byte()?)?;
    let mut parameter_sets = Vec::new();
    for _ in 0..cursor.byte()? {
        cursor.byte()?; // NAL unit type of this array
        let count = cursor.take(2)?;
        for _ in 0..u16::from_be_bytes([count[0], count[1]]) {
            append(&mut parameter_sets, cursor.counted(2)?);
        }
    }
    Ok(ParameterRecord { length_size, parameter_sets })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_become_a_byte_stream() {
        let mut record = [0; 23];
        (record[0], record[21], record[22]) = (1, 3, 2);
        let record = [&record[..], &[32, 0, 1, 0, 2, 0x40, 1], &[33, 0, 1, 0, 2, 0x42, 1]].concat();
        let parsed = parse_hvcc(&record).unwrap();
        assert_eq!(parsed.parameter_sets, [0, 0, 0, 1, 0x40, 1, 0, 0, 0, 1, 0x42, 1]);
        assert_eq!(parse_hvcc(&record[..36]), Err(RecordError::Truncated { wanted: 2, left: 1 }));
    }
}
