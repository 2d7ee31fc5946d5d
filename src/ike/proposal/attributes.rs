//! Data attributes of a transform, gathered by class. Pure reading: nothing is accepted or refused here.

use crate::wire::attribute::Attribute;

/// The attributes of one transform: value by class, lifetimes by type, and what has no place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Attributes {
    values: Vec<(u16, u64)>,
    /// LIFE_TYPE seconds.
    pub(super) seconds: Option<u32>,
    /// LIFE_TYPE kilobytes.
    pub(super) kilobytes: Option<u32>,
    /// Why the transform cannot be read, if it cannot.
    pub(super) fault: Option<(u16, &'static str)>,
}

/// The classes that mean a lifetime: type, then duration.
#[derive(Clone, Copy)]
pub(super) struct LifeClasses {
    pub(super) life_type: u16,
    pub(super) duration: u16,
}

impl Attributes {
    /// Reads attributes. RFC 2407 section 4.5: a lifetime is a LIFE_TYPE and the LIFE_DURATION behind it; of a class
    /// that is given twice with different values none can be meant.
    pub(super) fn read(attributes: &[Attribute], life: LifeClasses) -> Self {
        let mut read = Self::default();
        let mut life_type = None;
        for attribute in attributes {
            let Some(number) = attribute.number() else {
                read.fault = Some((attribute.kind, "is no number"));
                continue;
            };
            match attribute.kind {
                kind if kind == life.life_type => life_type = Some(number),
                kind if kind == life.duration => read.lifetime(kind, life_type.take(), number),
                kind => read.value(kind, number),
            }
        }
        read
    }

    fn lifetime(&mut self, kind: u16, life_type: Option<u64>, number: u64) {
        // Longer than 2^32 - 1: as long as can be said (peers do send such values).
        let duration = u32::try_from(number).unwrap_or(u32::MAX);
        match life_type {
            Some(1) if duration == 0 => self.fault = Some((kind, "is no time at all")),
            Some(1) => self.seconds = Some(duration),
            // Some peers mean "no limit" by it.
            Some(2) if duration == 0 => self.kilobytes = None,
            Some(2) => self.kilobytes = Some(duration),
            _ => self.fault = Some((kind, "has no life type before it")),
        }
    }

    fn value(&mut self, kind: u16, number: u64) {
        match self.get(kind) {
            Some(other) if other != number => self.fault = Some((kind, "is given twice")),
            Some(_) => {}
            None => self.values.push((kind, number)),
        }
    }

    /// The value of a class.
    pub(super) fn get(&self, kind: u16) -> Option<u64> {
        self.values.iter().find(|(k, _)| *k == kind).map(|(_, v)| *v)
    }

    /// The value of a class as a 16-bit number; anything larger matches nothing.
    pub(super) fn get_u16(&self, kind: u16) -> Option<u16> {
        self.get(kind).map(|v| u16::try_from(v).unwrap_or(u16::MAX))
    }

    /// The first class that is not in `known`.
    pub(super) fn unknown(&self, known: &[u16]) -> Option<u16> {
        self.values.iter().map(|(k, _)| *k).find(|k| !known.contains(k))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: LifeClasses = LifeClasses { life_type: 1, duration: 2 };

    fn life(life_type: u16, duration: u32) -> Attributes {
        Attributes::read(&[Attribute::short(1, life_type), Attribute::from_u32(2, duration)], LIFE)
    }

    #[test]
    fn no_seconds_are_a_fault_and_no_kilobytes_are_no_limit() {
        assert!(life(1, 0).fault.is_some());
        assert_eq!((life(2, 0).kilobytes, life(2, 0).fault), (None, None));
        assert_eq!((life(1, 60).seconds, life(2, 60).kilobytes), (Some(60), Some(60)));
    }
}
