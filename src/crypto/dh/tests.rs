//! The groups against published values, against plain arithmetic, and against bad peers.

use num_bigint::BigUint;

use super::groups::{self, ALL};
use super::modp::{ModpGroup, Range};
use super::{DhError, DhGroup, DhSecret, Group};
use crate::crypto::random::{Random, RandomError, SeededRandom};
use crate::crypto::secret::Secret;
use crate::crypto::testing::known_answers;

const KNOWN_ANSWERS: &str = include_str!("../../../tests/vectors/crypto/dh.txt");

/// Runs a generic check on every MODP group.
macro_rules! for_each_modp {
    ($check:ident) => {
        $check(&groups::MODP768);
        $check(&groups::MODP1024);
        $check(&groups::MODP1536);
        $check(&groups::MODP2048);
        $check(&groups::MODP3072);
        $check(&groups::MODP4096);
        $check(&groups::MODP6144);
        $check(&groups::MODP8192);
        $check(&groups::MODP1024S160);
        $check(&groups::MODP2048S224);
        $check(&groups::MODP2048S256);
    };
}

fn group(group: Group) -> &'static dyn DhGroup {
    let found = ALL.iter().copied().find(|g| g.group() == group);
    found.unwrap_or_else(|| panic!("no {group}"))
}

fn secret(octets: impl Into<Vec<u8>>) -> DhSecret {
    DhSecret(Secret::new(octets.into()))
}

fn number(octets: &[u8]) -> BigUint {
    BigUint::from_bytes_be(octets)
}

/// The number in as many octets as the group's public values have.
fn padded(number: &BigUint, len: usize) -> Vec<u8> {
    let octets = number.to_bytes_be();
    [vec![0; len - octets.len()], octets].concat()
}

fn prime<const L: usize>(group: &ModpGroup<L>) -> BigUint {
    number(&super::modp::octets(&group.prime))
}

fn generator<const L: usize>(group: &ModpGroup<L>) -> BigUint {
    number(&super::modp::octets(&group.generator))
}

#[test]
fn there_is_every_group_once() {
    let found: Vec<Group> = ALL.iter().map(|g| g.group()).collect();
    assert_eq!(found, Group::ALL);
    assert_eq!(format!("{:?}", group(Group::Modp1536)), "modp1536");
    assert_eq!(format!("{:?}", group(Group::Ecp521)), "ecp521");
}

#[test]
fn known_answers_of_the_rfcs() {
    let answers = known_answers(KNOWN_ANSWERS);
    assert_eq!(answers.len(), 6);
    for answer in answers {
        let number = answer.name.strip_prefix("group ").and_then(|n| n.parse().ok());
        let group = group(number.and_then(Group::from_number).expect("a group's number"));
        let (xa, xb) = (secret(answer.field("xa")), secret(answer.field("xb")));
        assert_eq!(group.public(&xa), answer.field("ya"), "{group:?}");
        assert_eq!(group.public(&xb), answer.field("yb"), "{group:?}");
        let z = Ok(Secret::new(answer.field("z").to_vec()));
        assert_eq!(group.shared(&xa, answer.field("yb")), z, "{group:?}");
        assert_eq!(group.shared(&xb, answer.field("ya")), z, "{group:?}");
    }
}

#[test]
fn both_sides_agree_in_every_group() {
    let mut random = SeededRandom::from_seed([1; 32]);
    for group in ALL {
        let x = group.secret(&mut random).expect("a seeded source never fails");
        let y = group.secret(&mut random).expect("a seeded source never fails");
        let (g_x, g_y) = (group.public(&x), group.public(&y));
        assert_eq!((g_x.len(), g_y.len()), (group.public_len(), group.public_len()));
        let g_xy = group.shared(&x, &g_y).expect("an honest peer");
        assert_eq!(group.shared(&y, &g_x), Ok(g_xy.clone()), "{group:?}");
        let is_curve = matches!(group.group(), Group::Ecp256 | Group::Ecp384 | Group::Ecp521);
        assert_eq!(g_xy.expose().len() * if is_curve { 2 } else { 1 }, group.public_len());
        assert_ne!(g_x, g_y);
    }
}

/// floor(2^bits * pi), by Machin's formula with 64 spare bits.
fn scaled_pi(bits: u32) -> BigUint {
    let arctan_of_inverse = |n: u32| {
        let (mut term, mut sum) = ((BigUint::from(1_u8) << (bits + 64)) / n, [BigUint::ZERO, BigUint::ZERO]);
        for k in 0_u32.. {
            if term == BigUint::ZERO {
                break;
            }
            sum[k as usize % 2] += &term / (2 * k + 1);
            term /= n * n;
        }
        let [plus, minus] = sum;
        plus - minus
    };
    ((arctan_of_inverse(5) * 4_u8 - arctan_of_inverse(239)) * 4_u8) >> 64
}

#[test]
fn primes_follow_the_formula_of_the_rfcs() {
    fn check<const L: usize>(group: &ModpGroup<L>, n: u32, c: u32) {
        let two = |power: u32| BigUint::from(1_u8) << power;
        let p = two(n) - two(n - 64) - 1_u8 + two(64) * (scaled_pi(n - 130) + c);
        assert_eq!(prime(group), p, "{group:?}");
        assert_eq!(generator(group), BigUint::from(2_u8));
    }
    check(&groups::MODP768, 768, 149_686);
    check(&groups::MODP1024, 1024, 129_093);
    check(&groups::MODP1536, 1536, 741_804);
    check(&groups::MODP2048, 2048, 124_476);
    check(&groups::MODP3072, 3072, 1_690_314);
    check(&groups::MODP4096, 4096, 240_904);
    check(&groups::MODP6144, 6144, 929_484);
    check(&groups::MODP8192, 8192, 4_743_158);
}

/// A Fermat test to base 3 is enough to catch a wrong digit.
fn is_probable_prime(n: &BigUint) -> bool {
    BigUint::from(3_u8).modpow(&(n - 1_u8), n) == BigUint::from(1_u8)
}

#[test]
fn primes_are_prime_and_generators_have_prime_order() {
    fn check<const L: usize>(group: &ModpGroup<L>) {
        let p = prime(group);
        let order = match &group.range {
            Range::Short { .. } => (&p - 1_u8) >> 1,
            Range::Subgroup { q, .. } => number(&super::modp::octets(q)),
        };
        let one = BigUint::from(1_u8);
        // Above 4096 bits the formula says all; a second opinion would take seconds.
        if p.bits() <= 4096 {
            assert!(is_probable_prime(&p) && is_probable_prime(&order), "{group:?}");
            assert_eq!(generator(group).modpow(&order, &p), one, "{group:?}");
        }
        assert_eq!((&p - 1_u8) % &order, BigUint::ZERO);
        assert_eq!(p.bits(), 8 * group.public_len() as u64);
    }
    for_each_modp!(check);
}

#[test]
fn powers_are_those_of_plain_arithmetic() {
    fn check<const L: usize>(group: &ModpGroup<L>) {
        let (p, g, len) = (prime(group), generator(group), group.public_len());
        let mut random = SeededRandom::from_seed([2; 32]);
        let short = group.secret(&mut random).expect("a seeded source never fails");
        let bits = short.0.expose().len();
        let mut exponents = vec![short.0.expose().clone(), vec![1], vec![0xff; bits]];
        if len <= 256 {
            // Recorded exchanges bring exponents as long as the prime, and longer than one chunk.
            let mut long = vec![0; len];
            random.secret(&mut long).expect("a seeded source never fails");
            exponents.extend([long, vec![0xa5; bits + 1], vec![0; bits], vec![2], vec![0xff; 65], vec![]]);
        }
        let base = g.modpow(&BigUint::from(0x1234_5678_u32), &p);
        for x in exponents {
            let power = |base: &BigUint| padded(&base.modpow(&number(&x), &p), len);
            assert_eq!(group.public(&secret(x.clone())), power(&g), "{group:?} g^{x:02x?}");
            let shared = group.shared(&secret(x.clone()), &padded(&base, len));
            assert_eq!(shared, Ok(Secret::new(power(&base))), "{group:?} y^{x:02x?}");
        }
    }
    for_each_modp!(check);
}

#[test]
fn public_values_outside_the_range_are_refused() {
    fn check<const L: usize>(group: &ModpGroup<L>) {
        let (p, len) = (prime(group), group.public_len());
        let x = group.secret(&mut SeededRandom::from_seed([3; 32])).expect("a seeded source never fails");
        let refused = |y: Vec<u8>| group.shared(&x, &y).expect_err("a bad value");
        for y in [BigUint::ZERO, BigUint::from(1_u8), &p - 1_u8, p.clone(), &p + 1_u8] {
            assert_eq!(refused(padded(&y, len)), DhError::OutOfRange, "{group:?} {y:x}");
        }
        assert_eq!(refused(vec![0xff; len]), DhError::OutOfRange);
        for wrong in [0, 1, len - 1, len + 1, 2 * len] {
            assert_eq!(refused(vec![2; wrong]), DhError::Length { got: wrong, expected: len });
        }
        let edges = [BigUint::from(2_u8), &p - 2_u8].map(|y| group.shared(&x, &padded(&y, len)));
        match group.range {
            Range::Short { .. } => assert!(edges.iter().all(Result::is_ok), "{group:?}"),
            Range::Subgroup { .. } => assert_eq!(edges, [Err(DhError::NotInGroup), Err(DhError::NotInGroup)]),
        }
    }
    for_each_modp!(check);
}

#[test]
fn points_off_the_curve_are_refused() {
    for name in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
        let (group, mut random) = (group(name), SeededRandom::from_seed([4; 32]));
        let x = group.secret(&mut random).expect("a seeded source never fails");
        let good = group.public(&x);
        let len = good.len();
        let mut bad_y = good.clone();
        bad_y[len - 1] ^= 1;
        let mut bad_x = good.clone();
        bad_x[len / 2 - 1] ^= 1;
        let mut large_x = good.clone();
        large_x[..len / 2].fill(0xff);
        for y in [bad_y, bad_x, large_x, vec![0; len], vec![0xff; len]] {
            assert_eq!(group.shared(&x, &y), Err(DhError::NotInGroup), "{name} {y:02x?}");
        }
        let with_prefix = [&[4], &good[..]].concat();
        for y in [&with_prefix, &good[..len - 1], &good[..len / 2], &[]] {
            assert_eq!(group.shared(&x, y), Err(DhError::Length { got: y.len(), expected: len }), "{name}");
        }
        assert!(group.shared(&x, &good).is_ok());
        // What is no scalar of the curve has no public value that anybody takes.
        for no_scalar in [vec![0; len / 2], vec![0xff; len / 2], vec![1; len], vec![]] {
            assert_eq!(group.public(&secret(no_scalar.clone())), vec![0; len]);
            assert_eq!(group.shared(&secret(no_scalar), &good), Err(DhError::NotInGroup));
        }
    }
}

/// A source that gives one octet for ever, or fails.
struct Stuck(Option<u8>);

impl Random for Stuck {
    fn public(&mut self, _out: &mut [u8]) -> Result<(), RandomError> {
        panic!("private values come from the secret stream");
    }

    fn secret(&mut self, out: &mut [u8]) -> Result<(), RandomError> {
        out.fill(self.0.ok_or(RandomError)?);
        Ok(())
    }
}

#[test]
fn private_values_are_in_range_and_follow_from_the_seed() {
    fn check<const L: usize>(group: &ModpGroup<L>) {
        let bound = match &group.range {
            Range::Short { bits } => BigUint::from(1_u8) << *bits,
            Range::Subgroup { q, .. } => number(&super::modp::octets(q)),
        };
        let mut seeded = SeededRandom::from_seed([5; 32]);
        let mut stuck = [0, 0x80, 0xff].map(|octet| Stuck(Some(octet)));
        let sources = stuck.iter_mut().map(|s| s as &mut dyn Random);
        for random in sources.chain([&mut seeded as &mut dyn Random]) {
            let x = group.secret(random).expect("these sources give octets");
            assert_eq!(x.0.expose().len(), group.range.bits() as usize / 8);
            let x = number(x.0.expose());
            assert!(x >= BigUint::from(1_u8) && x < bound, "{group:?} {x:x}");
        }
    }
    for_each_modp!(check);
    for group in ALL {
        assert!(matches!(group.secret(&mut Stuck(None)), Err(RandomError)), "{group:?}");
        let draw = |seed| group.secret(&mut SeededRandom::from_seed([seed; 32])).expect("never fails").0;
        assert_eq!(draw(6), draw(6), "{group:?}");
        assert_ne!(draw(6), draw(7), "{group:?}");
    }
    for curve in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
        assert!(
            matches!(group(curve).secret(&mut Stuck(Some(0))), Err(RandomError)),
            "{curve}: zero for ever"
        );
        assert!(
            matches!(group(curve).secret(&mut Stuck(Some(0xff))), Err(RandomError)),
            "{curve}: too large"
        );
    }
}
