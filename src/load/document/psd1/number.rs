//! Numbers as PowerShell writes them: decimal, hexadecimal, with a multiplier.

use super::Scanner;
use crate::load::document::tape::Kind;

/// What multiplies a number, in the order of the power of 1024.
const MULTIPLIERS: [&str; 5] = ["kb", "mb", "gb", "tb", "pb"];

impl Scanner<'_> {
    pub(super) fn number(&mut self) {
        let start = self.pos;
        let len = length(&self.bytes[start..]);
        let range = start..start + len;
        self.pos = range.end;
        let written = &self.text[range.clone()];
        match decimal(written) {
            Some(text) if text == written => self.writer.scalar(Kind::Number, range),
            Some(text) => self.writer.aside(Kind::AsideNumber, range, &text),
            None => {
                let message = format!("{written:?} is not a number of PowerShell");
                let problem = self.writer.problem(&message, range.clone(), "");
                self.mistake(problem.help("what is no number is in quotes"));
                self.writer.scalar(Kind::Null, range);
            }
        }
    }
}

/// How many bytes belong to what begins as a number.
pub(super) fn length(bytes: &[u8]) -> usize {
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let hex = matches!(unsigned, [b'0', b'x' | b'X', ..]);
    let within = |at: usize| match bytes[at] {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'_' => true,
        b'+' | b'-' => at == 0 || (!hex && matches!(bytes[at - 1], b'e' | b'E')),
        _ => false,
    };
    (0..bytes.len())
        .find(|at| !within(*at))
        .unwrap_or(bytes.len())
}

/// The number in decimal, as the tape keeps it.
pub(super) fn decimal(written: &str) -> Option<String> {
    let (sign, unsigned) = match written.split_at_checked(1)? {
        ("-", rest) => ("-", rest),
        ("+", rest) => ("", rest),
        _ => ("", written),
    };
    let lower = unsigned.to_ascii_lowercase();
    let multiplied = (1u32..).zip(MULTIPLIERS).find_map(|(power, suffix)| {
        let number = lower.strip_suffix(suffix)?;
        Some((number, 1024i128.pow(power)))
    });
    let (number, factor) = multiplied.unwrap_or((&lower, 1));
    if let Some(digits) = number.strip_prefix("0x") {
        return Some(times(hexadecimal(digits)?, factor, sign));
    }
    // The types of numbers that files say: long and decimal.
    let number = number.strip_suffix(['l', 'd']).unwrap_or(number);
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return match (factor, number.parse()) {
            (1, _) => Some(format!("{sign}{number}")),
            (_, Ok(whole)) => Some(times(whole, factor, sign)),
            // More than 128 bits are too large for any field, however they are spelt.
            (_, Err(_)) => Some(format!("{sign}1e999")),
        };
    }
    if !is_fraction(number) {
        return None;
    }
    if factor > 1 {
        let product = number.parse::<f64>().ok()? * factor as f64;
        return Some(format!("{sign}{product}"));
    }
    let lead = if number.starts_with('.') { "0" } else { "" };
    Some(format!("{sign}{lead}{number}"))
}

fn times(number: i128, factor: i128, sign: &str) -> String {
    match number.checked_mul(factor) {
        Some(product) if sign == "-" => (-product).to_string(),
        Some(product) => product.to_string(),
        None => format!("{sign}1e999"),
    }
}

/// Eight digits fill an integer of 32 bits, and sixteen one of 64: with the
/// highest bit set they are negative, as in PowerShell.
fn hexadecimal(digits: &str) -> Option<i128> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(digits, 16).ok()?;
    Some(match digits.len() {
        8 => i128::from(number as u32 as i32),
        16 => i128::from(number as i64),
        _ => i128::from(number),
    })
}

/// Digits with a point or an exponent.
fn is_fraction(text: &str) -> bool {
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !fraction.is_empty(),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        })
}
