//! Attributes of nodes.

use super::proto::{AttributeProto, AttributeType};

/// An attribute without a value.
fn named(name: &str, r#type: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: r#type as i32, ..AttributeProto::default() }
}

/// An integer attribute.
pub fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..named(name, AttributeType::Int) }
}

/// An attribute that is a list of integers.
pub fn integers(name: &str, values: Vec<i64>) -> AttributeProto {
    AttributeProto { ints: values, ..named(name, AttributeType::Ints) }
}

/// A 32-bit attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..named(name, AttributeType::Float) }
}

/// An attribute that is a list of 32-bit values.
pub fn floats(name: &str, values: Vec<f32>) -> AttributeProto {
    AttributeProto { floats: values, ..named(name, AttributeType::Floats) }
}

/// An attribute that is a list of texts.
pub fn texts<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> AttributeProto {
    let strings = values.into_iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..named(name, AttributeType::Strings) }
}
