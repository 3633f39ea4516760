use super::*;
use proptest::prelude::*;

fn read(text: &str) -> Option<(String, Option<f64>)> {
    let number = WrittenNumber::read(text.as_bytes())?;
    let mut out = Vec::new();
    number.write(&mut out);
    if let Some(small) = number.small() {
        assert_eq!(WrittenNumber::of_small(small), number, "{text}");
    }
    Some((String::from_utf8(out).unwrap(), number.value()))
}

/// The text is what was read, and the value is that of the standard library to the last bit.
fn check(text: &str) {
    let (written, value) = read(text).unwrap_or_else(|| panic!("{text} is a number"));
    assert_eq!(written, text);
    assert_eq!(value.map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits), "{text}");
}

#[test]
fn numbers_keep_their_text_and_value() {
    for text in [
        "0",
        "-0",
        "-0.0",
        "7",
        "0.05",
        "-0.345584",
        "1.50",
        "100",
        "117.0",
        "24.47",
        "134217727",
        "134217728",
        "9007199254740993",
        "1.7640523459673412",
        "0.000000000000000001",
        "99999999999999999",
        "5e-05",
        "-5.9123456789012345e-05",
        "1.5e-30",
        "5.9e-5",
        "1e-9",
    ] {
        check(text);
    }
    for word in MISSING_WORDS {
        assert_eq!(read(word), Some((word.to_owned(), None)));
    }
}

#[test]
fn other_texts_are_no_written_numbers() {
    for text in [
        " 1",
        "1 ",
        "+1",
        "01",
        "00",
        "-",
        ".5",
        "5.",
        "1.2.3",
        "1,5",
        "1e5",
        "1E-05",
        "0e-05",
        "1.0e-05",
        "1.50e-05",
        "12e-05",
        "1e-04",
        "1e-31",
        "1e-005",
        "1e-4",
        "inf",
        "NAN",
        "-nan",
        "1_000",
        "200000000000000000",
        "0.0000000000000000001",
        "12345678901234567890",
        "0x1",
        "1a",
        "\u{661}",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(WrittenNumber::read(b"\xff"), None);
}

#[test]
fn whole_numbers_are_recognised() {
    let whole = |text: &str| WrittenNumber::read(text.as_bytes()).unwrap().whole();
    assert_eq!((whole("117.0"), whole("-12"), whole("-0"), whole("1.5")), (Some(117), Some(-12), Some(0), None));
    assert_eq!((whole(""), whole("5e-05"), whole("0.000000000000000000")), (None, None, Some(0)));
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(text in "-?[0-9]{0,18}[.]?[0-9]{0,18}(e-[0-9]{1,2})?") {
        if let Some((written, value)) = read(&text) {
            prop_assert_eq!(&written, &text);
            prop_assert_eq!(value.map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits));
        }
    }

    #[test]
    fn floats_of_any_program_keep_their_bits(value: f64, short in -1e4f64..1e4) {
        for text in [value.to_string(), short.to_string(), format!("{short:.6}"), format!("{:e}", short * 1e-9)] {
            if let Some((written, read)) = read(&text) {
                prop_assert_eq!(&written, &text);
                prop_assert_eq!(read.map(f64::to_bits), text.parse::<f64>().ok().map(f64::to_bits));
            }
        }
    }
}
