//! Numbers of a text file, stored as they are written.
//!
//! Most numbers are a few digits with a point among them. Such a number is stored as its digits and the place of the point, in 4 or 8
//! bytes. Both its text and its value follow from that exactly, so that nothing is lost and nothing is parsed twice.

use polars_arrow::array::{Array, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::datatypes::{ArrowDataType, ExtensionType};

use super::batch::{ArrayRef, downcast};
use crate::encode::MISSING_WORDS;

/// The name of the type of a column of written numbers.
const TYPE: &str = "anoonly.written";

/// The bits of the digits of a number in 8 bytes; seventeen digits fit. The form is above them, and the sign is the highest bit.
const DIGIT_BITS: u32 = 57;
/// The form of a missing value, whose digits are the place of its word. Forms below are numbers of decimals.
const MISSING: u64 = 21;
/// Forms from here on have an exponent of two digits, −5 first.
const TWO_DIGITS: u64 = 22;
/// Forms from here on have an exponent of one digit, −5 first.
const ONE_DIGIT: u64 = 48;
/// The first form that is not used.
const END: u64 = 53;
/// The exponent of the first form with an exponent.
const FIRST_EXPONENT: u64 = 5;

/// The bits of the digits of a number in 4 bytes; eight digits fit.
const SMALL_DIGIT_BITS: u32 = 27;
/// The form of a missing value in 4 bytes.
const SMALL_MISSING: u32 = 15;

/// Powers of ten that are exact in 64 bits.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// A number as it is written, or a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenNumber(u64);

impl WrittenNumber {
    /// Reads a field. `None` where the text does not follow from digits, a sign, the place of a point and a small exponent.
    #[inline]
    pub(super) fn read(field: &[u8]) -> Option<Self> {
        let (negative, digits) = match field {
            [b'-', rest @ ..] => (1u64 << 63, rest),
            _ => (0, field),
        };
        let mut value = 0u64;
        let mut at = 0;
        while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
            value = value.wrapping_mul(10).wrapping_add(digit.into());
            at += 1;
        }
        let whole = at;
        // Whole digits begin with a 0 only where it is the only one.
        if whole == 0 || (whole > 1 && digits[0] == b'0') {
            return Self::missing(field);
        }
        let mut decimals = 0;
        if digits.get(at) == Some(&b'.') {
            at += 1;
            while let Some(digit) = digits.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
                value = value.wrapping_mul(10).wrapping_add(digit.into());
                at += 1;
            }
            decimals = at - whole - 1;
            if decimals == 0 {
                return None;
            }
        }
        // More digits may have wrapped around.
        if whole + decimals > 19 || value >> DIGIT_BITS != 0 {
            return None;
        }
        let form = match &digits[at..] {
            [] => decimals as u64,
            exponent => Self::exponent(exponent, value, whole, decimals)?,
        };
        Some(Self(negative | form << DIGIT_BITS | value))
    }

    /// The form of a number with an exponent: one digit that is not 0 before the point, and no 0 at the end of its decimals.
    fn exponent(text: &[u8], value: u64, whole: usize, decimals: usize) -> Option<u64> {
        if whole != 1 || value == 0 || value.ilog10() as usize != decimals || (decimals > 0 && value.is_multiple_of(10))
        {
            return None;
        }
        let (base, last, digits) = match text {
            [b'e', b'-', one] => (ONE_DIGIT, 9, [b'0', *one]),
            [b'e', b'-', first, second] => (TWO_DIGITS, 30, [*first, *second]),
            _ => return None,
        };
        let [tens, ones] = digits.map(|byte| u64::from(byte.wrapping_sub(b'0')));
        let exponent = (tens < 10 && ones < 10).then_some(10 * tens + ones)?;
        (FIRST_EXPONENT..=last).contains(&exponent).then(|| base + exponent - FIRST_EXPONENT)
    }

    /// A field that is one of the words for a missing value.
    fn missing(field: &[u8]) -> Option<Self> {
        let place = MISSING_WORDS.iter().position(|word| word.as_bytes() == field)?;
        Some(Self(MISSING << DIGIT_BITS | place as u64))
    }

    fn digits(self) -> u64 {
        self.0 & ((1 << DIGIT_BITS) - 1)
    }

    fn form(self) -> u64 {
        (self.0 & !(1 << 63)) >> DIGIT_BITS
    }

    fn is_negative(self) -> bool {
        self.0 >> 63 == 1
    }

    fn is_missing(self) -> bool {
        self.form() == MISSING
    }

    /// The same in 4 bytes, where it fits.
    #[inline]
    pub(super) fn small(self) -> Option<u32> {
        let (digits, form) = (self.digits(), self.form());
        let form = match form {
            MISSING => SMALL_MISSING,
            form if form < u64::from(SMALL_MISSING) => form as u32,
            _ => return None,
        };
        (digits >> SMALL_DIGIT_BITS == 0)
            .then(|| u32::from(self.is_negative()) << 31 | form << SMALL_DIGIT_BITS | digits as u32)
    }

    /// What [`small`](Self::small) gave.
    #[inline]
    pub(super) fn of_small(small: u32) -> Self {
        let form = match (small & !(1 << 31)) >> SMALL_DIGIT_BITS {
            SMALL_MISSING => MISSING,
            form => form.into(),
        };
        let digits = u64::from(small & ((1 << SMALL_DIGIT_BITS) - 1));
        Self(u64::from(small >> 31) << 63 | form << DIGIT_BITS | digits)
    }

    /// The value; `None` where it is missing.
    #[inline]
    pub(super) fn value(self) -> Option<f64> {
        const EXACT: u64 = 1 << 53;
        let (digits, form) = (self.digits(), self.form());
        if form == MISSING {
            return None;
        }
        // Both are exact, so that their quotient is the nearest number.
        if form < MISSING && digits <= EXACT {
            let value = digits as f64 / POWERS[form as usize];
            return Some(if self.is_negative() { -value } else { value });
        }
        let mut text = Vec::with_capacity(32);
        self.write(&mut text);
        std::str::from_utf8(&text).ok()?.parse().ok()
    }

    /// The whole number that it is, if it is one; `None` also where it is missing.
    fn whole(self) -> Option<i128> {
        let (digits, form) = (self.digits(), self.form());
        let unit = 10u64.checked_pow(form as u32).filter(|_| form < MISSING)?;
        let whole = digits.is_multiple_of(unit).then(|| i128::from(digits / unit))?;
        Some(if self.is_negative() { -whole } else { whole })
    }

    /// Appends the text.
    fn write(self, out: &mut Vec<u8>) {
        let (digits, form) = (self.digits(), self.form());
        if form == MISSING {
            out.extend(MISSING_WORDS.get(digits as usize).copied().unwrap_or_default().bytes());
            return;
        }
        if self.is_negative() {
            out.push(b'-');
        }
        let mut reversed = [b'0'; 24];
        let mut count = 0;
        let mut rest = digits;
        while rest > 0 || count == 0 {
            reversed[count] = b'0' + (rest % 10) as u8;
            rest /= 10;
            count += 1;
        }
        let decimals = if form < MISSING { form as usize } else { count - 1 };
        let count = count.max(decimals + 1);
        for place in (0..count).rev() {
            out.push(reversed[place]);
            if place == decimals && place > 0 {
                out.push(b'.');
            }
        }
        match form {
            TWO_DIGITS..ONE_DIGIT => out.extend(format!("e-{:02}", form - TWO_DIGITS + FIRST_EXPONENT).bytes()),
            ONE_DIGIT..END => out.extend(format!("e-{}", form - ONE_DIGIT + FIRST_EXPONENT).bytes()),
            _ => {}
        }
    }
}

/// A column of numbers as they are written, among them missing values.
#[derive(Clone, Debug)]
pub(crate) enum WrittenNumbers {
    /// In 4 bytes each.
    Small(PrimitiveArray<u32>),
    /// In 8 bytes each.
    Large(PrimitiveArray<u64>),
}

impl WrittenNumbers {
    /// Whether a column of this type holds written numbers.
    pub(crate) fn is(dtype: &ArrowDataType) -> bool {
        matches!(dtype, ArrowDataType::Extension(extension) if extension.name == TYPE
            && matches!(extension.inner, ArrowDataType::UInt32 | ArrowDataType::UInt64))
    }

    /// The column of an array.
    ///
    /// # Panics
    /// When the array does not hold written numbers.
    pub(crate) fn of(array: &dyn Array) -> Self {
        match array.dtype().to_storage() {
            ArrowDataType::UInt32 => WrittenNumbers::Small(downcast::<PrimitiveArray<u32>>(array).clone()),
            _ => WrittenNumbers::Large(downcast::<PrimitiveArray<u64>>(array).clone()),
        }
    }

    /// Numbers in 4 bytes each as an array.
    pub(super) fn small(values: Vec<u32>) -> ArrayRef {
        PrimitiveArray::from_vec(values).to(extension(ArrowDataType::UInt32)).boxed()
    }

    /// Numbers in 8 bytes each as an array.
    pub(super) fn large(values: Vec<WrittenNumber>) -> ArrayRef {
        let values = values.into_iter().map(|value| value.0).collect();
        PrimitiveArray::from_vec(values).to(extension(ArrowDataType::UInt64)).boxed()
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            WrittenNumbers::Small(array) => array.len(),
            WrittenNumbers::Large(array) => array.len(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = WrittenNumber> + '_ {
        let (small, large): (&[u32], &[u64]) = match self {
            WrittenNumbers::Small(array) => (array.values().as_slice(), &[]),
            WrittenNumbers::Large(array) => (&[], array.values().as_slice()),
        };
        let small = small.iter().map(|&small| WrittenNumber::of_small(small));
        small.chain(large.iter().map(|&large| WrittenNumber(large)))
    }

    /// The values; `None` where one is missing.
    pub(crate) fn values(&self) -> Vec<Option<f64>> {
        match self {
            WrittenNumbers::Small(array) => {
                array.values().iter().map(|&small| WrittenNumber::of_small(small).value()).collect()
            }
            WrittenNumbers::Large(array) => array.values().iter().map(|&large| WrittenNumber(large).value()).collect(),
        }
    }

    /// The values that are not missing, if all of them are whole numbers.
    pub(crate) fn all_whole(&self) -> Option<Vec<i128>> {
        self.iter().filter(|number| !number.is_missing()).map(WrittenNumber::whole).collect()
    }

    /// Whether every value is missing.
    pub(crate) fn all_missing(&self) -> bool {
        self.iter().all(WrittenNumber::is_missing)
    }

    /// The texts, as the file has them.
    pub(crate) fn texts(&self) -> Utf8ViewArray {
        let mut texts = MutableBinaryViewArray::with_capacity(self.len());
        self.push_to(&mut texts);
        texts.into()
    }

    /// Appends the texts to those of a column.
    pub(super) fn push_to(&self, texts: &mut MutableBinaryViewArray<str>) {
        let mut text = Vec::new();
        for number in self.iter() {
            text.clear();
            number.write(&mut text);
            match std::str::from_utf8(&text) {
                Ok("") | Err(_) => texts.push_null(),
                Ok(text) => texts.push_value(text),
            }
        }
    }
}

fn extension(inner: ArrowDataType) -> ArrowDataType {
    ArrowDataType::Extension(Box::new(ExtensionType { name: TYPE.into(), inner, metadata: None }))
}

#[cfg(test)]
mod tests;
