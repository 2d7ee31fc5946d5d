//! Powers of a fixed base by Lim and Lee's comb: the table is built once, then each power costs a sixth of the
//! squarings.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{CtAssign, CtEq, Uint};
use zeroize::Zeroizing;

use super::modp::EXPONENT_LIMBS;

/// Rows of the comb: one table index has this many bits.
const TEETH: u32 = 6;
/// Tables, each for its share of the columns.
const BLOCKS: u32 = 2;
/// Entries of one table.
const ENTRIES: usize = 1 << TEETH;

/// Precomputed powers of one base.
pub(super) struct Comb<const L: usize> {
    /// Columns of a block, which is also the number of squarings of a power.
    columns: u32,
    /// The tables one after the other, in Montgomery form. Entry `u` of block `j` is the product of
    /// `base^(2^(i * BLOCKS * columns + j * columns))` over the bits `i` that are set in `u`.
    table: Box<[Uint<L>]>,
}

impl<const L: usize> Comb<L> {
    /// The table for exponents of up to `bits` bits.
    pub(super) fn new(base: &FixedMontyForm<L>, bits: u32) -> Self {
        let columns = bits.div_ceil(TEETH * BLOCKS);
        let mut tables = vec![vec![FixedMontyForm::one(base.params())]; BLOCKS as usize];
        let mut power = *base;
        for _ in 0..TEETH {
            for table in &mut tables {
                let with_this_tooth: Vec<_> = table.iter().map(|entry| entry.mul(&power)).collect();
                table.extend(with_this_tooth);
                power = power.square_repeat_vartime(columns);
            }
        }
        let table = tables.iter().flatten().map(FixedMontyForm::to_montgomery).collect();
        Self { columns, table }
    }

    /// `base^exponent`. Neither branches nor addresses depend on the exponent.
    pub(super) fn power(
        &self,
        exponent: &Uint<EXPONENT_LIMBS>,
        params: &FixedMontyParams<L>,
    ) -> FixedMontyForm<L> {
        let mut result = FixedMontyForm::one(params);
        for column in (0..self.columns).rev() {
            result = result.square();
            for (block, table) in (0..BLOCKS).zip(self.table.chunks_exact(ENTRIES)) {
                let factor = Zeroizing::new(lookup(table, self.index(exponent, block, column)));
                result = result.mul(&FixedMontyForm::from_montgomery(*factor, params));
            }
        }
        result
    }

    /// The bits of the exponent under the teeth of the comb, at `column` of `block`.
    fn index(&self, exponent: &Uint<EXPONENT_LIMBS>, block: u32, column: u32) -> u32 {
        (0..TEETH).fold(0, |index, tooth| {
            let position = (tooth * BLOCKS + block) * self.columns + column;
            index | u32::from(exponent.bit(position).to_u8()) << tooth
        })
    }
}

/// The entry at a secret index, by reading all of them.
fn lookup<const L: usize>(table: &[Uint<L>], index: u32) -> Uint<L> {
    let mut found = Uint::ZERO;
    for (number, entry) in (0_u32..).zip(table) {
        found.ct_assign(entry, number.ct_eq(&index));
    }
    found
}
