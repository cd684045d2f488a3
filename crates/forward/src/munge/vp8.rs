//! VP8 picture ids, TL0PICIDX and KEYIDX, made contiguous (RFC 7741 section 4.2).

use sluice_wire::codec::vp8::{PictureId, Vp8Descriptor, Vp8View};

use super::offsets::OffsetMap;
use crate::outgoing::Prefix;

/// Numbers for one rewritten descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Patch {
    picture_id: PictureId,
    tl0_index: u8,
    key_index: u8,
}

/// Renumbers the frames of one outgoing VP8 stream.
#[derive(Debug, Default)]
pub struct Vp8Munger {
    pictures: Option<Pictures>,
    /// Newest outgoing numbers.
    last_picture: Option<u64>,
    last_tl0: Option<u8>,
    last_key: Option<u8>,
    /// Outgoing minus incoming.
    tl0_delta: u8,
    key_delta: u8,
    /// Ids once sent with 15 bits go on with 15.
    long: bool,
}

#[derive(Debug)]
struct Pictures {
    map: OffsetMap,
    long: bool,
}

impl Vp8Munger {
    /// Goes on with another source, of which `first` is the first frame (a key frame).
    pub fn switch(&mut self, first: &Vp8Descriptor) {
        let former = self.pictures.take();
        self.pictures = first.picture_id.map(|id| {
            // Far enough from 0 that ids just below the first one have a number.
            let input = FIRST + u64::from(id.value);
            let output = self.last_picture.map_or(input, |last| last + 1);
            let map = match former {
                Some(Pictures { mut map, .. }) => {
                    map.restart(input, output);
                    map
                }
                None => OffsetMap::new(input, output),
            };
            Pictures { map, long: id.long }
        });
        let delta = |last: Option<u8>, first: Option<u8>| match (last, first) {
            (Some(last), Some(first)) => last.wrapping_add(1).wrapping_sub(first),
            _ => 0,
        };
        self.tl0_delta = delta(self.last_tl0, first.tl0_pic_idx);
        self.key_delta = delta(self.last_key, first.key_idx);
    }

    /// True where a frame's numbers follow those of its source so far.
    pub fn continues(&self, ids: &Vp8Descriptor) -> bool {
        match (ids.picture_id, &self.pictures) {
            (Some(id), Some(pictures)) => pictures.unwrap(id.value) >= pictures.map.highest(),
            (None, None) => true,
            _ => false,
        }
    }

    /// Numbers for a frame that is forwarded. None where the frame was left out or is too old.
    #[inline]
    pub fn keep(&mut self, ids: &Vp8Descriptor) -> Option<Vp8Patch> {
        self.long |= ids.picture_id.is_some_and(|id| id.long);
        let mut picture = 0;
        if let (Some(id), Some(pictures)) = (ids.picture_id, &mut self.pictures) {
            let input = pictures.unwrap(id.value);
            let newest = input > pictures.map.highest();
            picture = pictures.map.keep(input)?;
            if newest {
                self.last_picture = Some(picture);
                self.last_tl0 = ids
                    .tl0_pic_idx
                    .map(|tl0| tl0.wrapping_add(self.tl0_delta))
                    .or(self.last_tl0);
                self.last_key = ids
                    .key_idx
                    .map(|key| key.wrapping_add(self.key_delta))
                    .or(self.last_key);
            }
        }
        Some(Vp8Patch {
            picture_id: PictureId {
                value: picture as u16 & if self.long { 0x7fff } else { 0x7f },
                long: self.long,
            },
            tl0_index: ids.tl0_pic_idx.unwrap_or(0).wrapping_add(self.tl0_delta),
            key_index: ids.key_idx.unwrap_or(0).wrapping_add(self.key_delta) & 0x1f,
        })
    }

    /// Closes up over a frame that is left out.
    pub fn leave_out(&mut self, ids: &Vp8Descriptor) {
        if let (Some(id), Some(pictures)) = (ids.picture_id, &mut self.pictures) {
            let input = pictures.unwrap(id.value);
            pictures.map.leave_out(input);
        }
    }
}

impl Pictures {
    /// Extends an id next to the highest one seen.
    fn unwrap(&self, id: u16) -> u64 {
        let bits = if self.long { 15 } else { 7 };
        let highest = self.map.highest();
        let unused = 16 - bits;
        let ahead = (id.wrapping_sub(highest as u16) << unused).cast_signed() >> unused;
        highest.saturating_add_signed(i64::from(ahead))
    }
}

impl Vp8Patch {
    /// The picture id, its width in the top bit, and the two indices.
    pub(crate) fn to_bits(self) -> (u16, u32) {
        let PictureId { value, long } = self.picture_id;
        let number = u16::from(long) << 15 | value & 0x7fff;
        (
            number,
            u32::from(self.tl0_index) << 8 | u32::from(self.key_index),
        )
    }

    pub(crate) const fn from_bits(number: u16, indices: u32) -> Self {
        Self {
            picture_id: PictureId {
                value: number & 0x7fff,
                long: number >> 15 != 0,
            },
            tl0_index: (indices >> 8) as u8,
            key_index: indices as u8,
        }
    }

    /// Puts the rewritten descriptor of `payload` into `prefix`; returns what stands behind the old one. Where nothing
    /// changes `payload` goes as it is, and can be sealed from where it lies.
    #[inline]
    pub fn apply<'a>(
        &self,
        view: &Vp8View,
        payload: &'a [u8],
        prefix: &mut Prefix,
    ) -> Option<&'a [u8]> {
        if self.changes_nothing(&view.descriptor) {
            return Some(payload);
        }
        let mut descriptor = view.descriptor;
        if let Some(id) = &mut descriptor.picture_id {
            *id = self.picture_id;
        }
        if let Some(index) = &mut descriptor.tl0_pic_idx {
            *index = self.tl0_index;
        }
        if let Some(index) = &mut descriptor.key_idx {
            *index = self.key_index;
        }
        let (bytes, new_len) = descriptor.write();
        prefix.push(bytes.get(..new_len)?);
        payload.get(view.descriptor_len..)
    }

    fn changes_nothing(self, ids: &Vp8Descriptor) -> bool {
        ids.picture_id.is_none_or(|id| id == self.picture_id)
            && ids.tl0_pic_idx.is_none_or(|index| index == self.tl0_index)
            && ids.key_idx.is_none_or(|index| index == self.key_index)
    }
}

/// A multiple of 2^15, added to the first picture id.
const FIRST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: u16, tl0: u8) -> Vp8Descriptor {
        Vp8Descriptor {
            non_reference: false,
            partition_start: true,
            partition: 0,
            picture_id: Some(PictureId { value, long: true }),
            tl0_pic_idx: Some(tl0),
            temporal: None,
            key_idx: Some(3),
        }
    }

    fn picture(patch: Option<Vp8Patch>) -> Option<u16> {
        patch.map(|p| p.picture_id.value)
    }

    #[test]
    fn ids_stay_contiguous_over_left_out_frames_and_the_wrap() {
        let mut munger = Vp8Munger::default();
        munger.switch(&ids(32_766, 10));
        assert_eq!(picture(munger.keep(&ids(32_766, 10))), Some(32_766));
        munger.leave_out(&ids(32_767, 10));
        munger.leave_out(&ids(32_767, 10));
        assert_eq!(picture(munger.keep(&ids(0, 11))), Some(32_767));
        assert_eq!(picture(munger.keep(&ids(1, 12))), Some(0));
        assert_eq!(munger.keep(&ids(32_767, 10)), None);
    }

    #[test]
    fn a_late_frame_takes_the_place_that_was_kept_for_it() {
        let mut munger = Vp8Munger::default();
        munger.switch(&ids(5, 0));
        munger.keep(&ids(5, 0));
        munger.leave_out(&ids(6, 0));
        assert_eq!(picture(munger.keep(&ids(9, 1))), Some(8));
        assert_eq!(picture(munger.keep(&ids(7, 1))), Some(6));
    }

    #[test]
    fn another_source_goes_on_where_the_last_one_ended() {
        let mut munger = Vp8Munger::default();
        munger.switch(&ids(100, 255));
        munger.keep(&ids(100, 255));
        munger.switch(&ids(9_000, 40));
        let patch = munger.keep(&ids(9_000, 40)).unwrap();
        assert_eq!(
            (patch.picture_id.value, patch.tl0_index, patch.key_index),
            (101, 0, 4)
        );
    }

    #[test]
    fn seven_bit_ids_widen_once_fifteen_bits_were_sent() {
        let mut munger = Vp8Munger::default();
        munger.switch(&ids(300, 0));
        munger.keep(&ids(300, 0));
        // X and S, I only, id 127, then the frame.
        let payload = [0x90, 0x80, 127, 0xaa];
        let view = Vp8View::parse(&payload).unwrap();
        munger.switch(&view.descriptor);
        let patch = munger.keep(&view.descriptor).unwrap();
        assert_eq!(
            patch.picture_id,
            PictureId {
                value: 301,
                long: true
            }
        );
        let next = Vp8Descriptor {
            picture_id: Some(PictureId {
                value: 0,
                long: false,
            }),
            ..view.descriptor
        };
        assert_eq!(picture(munger.keep(&next)), Some(302));
        let mut prefix = Prefix::default();
        assert_eq!(patch.apply(&view, &payload, &mut prefix), Some(&[0xaa][..]));
        assert_eq!(prefix.as_slice(), [0x90, 0x80, 0x81, 0x2d]);
    }
}
