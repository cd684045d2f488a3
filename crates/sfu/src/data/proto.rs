//! Protocol buffers on the wire, as far as rewriting a few fields takes: a walker over fields and their writer.

/// The bytes are no protobuf message: overlong varint, length beyond the end, field number 0, or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed protobuf")]
pub struct Malformed;

/// One field as it stands in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// What it holds.
    pub value: Value<'a>,
    /// Tag and value as written.
    pub raw: &'a [u8],
}

/// What a field holds, by wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2: string, bytes, message.
    Bytes(&'a [u8]),
    /// Wire types 1 and 5.
    Fixed,
}

/// Walks a message's fields in order; ends behind the first error.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Fields of the message `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn step(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.rest;
        let (tag, after) = varint(start)?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        if number == 0 || number > MAX_FIELD {
            return Err(Malformed);
        }
        let (value, after) = match tag & 7 {
            0 => varint(after).map(|(value, rest)| (Value::Varint(value), rest))?,
            1 => (Value::Fixed, after.get(8..).ok_or(Malformed)?),
            2 => {
                let (len, rest) = varint(after)?;
                let len = usize::try_from(len).map_err(|_| Malformed)?;
                let (bytes, rest) = rest.split_at_checked(len).ok_or(Malformed)?;
                (Value::Bytes(bytes), rest)
            }
            5 => (Value::Fixed, after.get(4..).ok_or(Malformed)?),
            _ => return Err(Malformed),
        };
        self.rest = after;
        let raw = start.get(..start.len() - after.len()).ok_or(Malformed)?;
        Ok(Field { number, value, raw })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_err() {
            self.rest = &[];
        }
        Some(step)
    }
}

/// Appends a varint field.
pub fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    put_raw_varint(out, u64::from(number) << 3);
    put_raw_varint(out, value);
}

/// Appends a string, bytes or message field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_raw_varint(out, u64::from(number) << 3 | 2);
    put_raw_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a string field, unless it is empty (the default is not written in proto3).
pub fn put_str(out: &mut Vec<u8>, number: u32, text: &str) {
    if !text.is_empty() {
        put_bytes(out, number, text.as_bytes());
    }
}

fn put_raw_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Malformed> {
    let mut value = 0_u64;
    for (i, &byte) in bytes.iter().take(MAX_VARINT).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok((value, bytes.get(i + 1..).ok_or(Malformed)?));
        }
    }
    Err(Malformed)
}

/// Bytes of the longest varint.
const MAX_VARINT: usize = 10;

/// Highest field number.
const MAX_FIELD: u32 = (1 << 29) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_walked_again() {
        let mut message = Vec::new();
        put_varint(&mut message, 16, 300);
        put_str(&mut message, 4, "ann");
        put_str(&mut message, 5, "");
        let fields: Vec<_> = Fields::new(&message).collect::<Result<_, _>>().unwrap();
        assert_eq!(fields.len(), 2);
        assert_eq!(
            (fields[0].number, fields[0].value),
            (16, Value::Varint(300))
        );
        assert_eq!(
            (fields[1].number, fields[1].value),
            (4, Value::Bytes(b"ann"))
        );
        assert_eq!([fields[0].raw, fields[1].raw].concat(), message);
    }

    #[test]
    fn hostile_lengths_and_tags_are_refused() {
        for bytes in [
            &[
                0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ][..],
            &[0x22, 5, 1],
            &[0x80; 11],
            &[0x00, 1],
            &[0x0b],
            &[0x09, 1, 2, 3],
            &[0x0d, 1],
        ] {
            assert_eq!(Fields::new(bytes).last(), Some(Err(Malformed)), "{bytes:?}");
        }
    }
}
