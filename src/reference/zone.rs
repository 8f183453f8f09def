//! Local time, as a list of offsets that needs no tables any more.

use jiff::tz::TimeZone;

use super::natural::{OFFSETS_MAX, Offsets};
use crate::time::Timestamp;

/// The offsets of a time zone by its IANA name from a point of time on, for about as long as a
/// reference may be in use; `None` where there is no such zone.
pub fn offsets(name: &str, from: Timestamp) -> Option<Offsets> {
    let zone = TimeZone::get(name).ok()?;
    let from = jiff::Timestamp::from_millisecond(from.as_millis()).ok()?;
    let minutes = |offset: jiff::tz::Offset| offset.seconds() / 60;
    let mut all = vec![(Timestamp::MIN, minutes(zone.to_offset(from)))];
    let changes = zone.following(from).take(OFFSETS_MAX / 4);
    all.extend(changes.map(|change| {
        let at = Timestamp::from_millis(change.timestamp().as_millisecond());
        (at, minutes(change.offset()))
    }));
    Offsets::new(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::natural::{Buckets, bucket_of};

    #[test]
    fn the_clocks_of_new_york_go_forward_in_march() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let offsets = offsets("America/New_York", at("2013-01-01T00:00:00Z")).unwrap();
        let hour = |text| bucket_of(Buckets::HourOfDay, &offsets, at(text));
        assert_eq!(hour("2013-03-10T06:59:59Z"), 1);
        assert_eq!(hour("2013-03-10T07:00:00Z"), 3);
        assert_eq!(hour("2013-11-03T06:00:00Z"), 1);
        assert_eq!(hour("2030-07-01T16:00:00Z"), 12);
    }

    #[test]
    fn a_zone_that_is_none_has_no_offsets() {
        assert!(offsets("Nowhere/At_All", Timestamp::EPOCH).is_none());
    }
}
