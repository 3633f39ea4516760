//! The figures of the report, one file for each kind.

pub mod curves;
pub mod gain;
pub mod layer;
pub mod picture;
pub mod ranks;
pub mod sweep;
pub mod table;
pub mod time;
pub mod training;
