//! What the lists of a session's item are packed of: small, since the item is written with each message.
use crate::platform::timestamp::Timestamp;

/// The bytes of a time.
pub(super) const TIME_BYTES: usize = 4;
/// The bit of a time that says something else. No time needs it before 2038.
const FLAG: u32 = 1 << 31;

/// A time, to the second, with a flag. `None` for one that has no room.
pub(super) fn time_with_flag(at: Timestamp, flag: bool) -> Option<[u8; TIME_BYTES]> {
    let seconds = u32::try_from(at.seconds()).ok();
    let seconds = seconds.filter(|seconds| *seconds < FLAG)?;
    let flag = if flag { FLAG } else { 0 };
    Some((seconds | flag).to_be_bytes())
}

/// The time and the flag in what [`time_with_flag`] made.
pub(super) fn read_time_with_flag(packed: [u8; TIME_BYTES]) -> (Timestamp, bool) {
    let packed = u32::from_be_bytes(packed);
    let at = Timestamp::from_seconds(i64::from(packed & !FLAG));
    (at, packed & FLAG != 0)
}
