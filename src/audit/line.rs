//! A record as a line: its JSON, closed by the hash of what stands before.

use ring::digest;
use serde::Deserialize;

use super::{Record, SCHEMA};
use crate::name::hex;

/// The hash before the first record.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Why a line is not accepted.
pub(super) enum BadLine {
    /// It is no record.
    NotARecord,
    /// Its hash is not that of its content.
    Changed {
        /// The number it carries.
        sequence: u64,
    },
    /// It is of a later format.
    NewerSchema(u32),
}

/// What every format has.
#[derive(Deserialize)]
struct Header {
    schema: u32,
    sequence: u64,
}

/// The bytes of a record's line, its newline included, and its hash.
pub(super) fn to_line(record: &Record) -> serde_json::Result<(Vec<u8>, String)> {
    let mut line = serde_json::to_vec(record)?;
    let hash = sha256(&line);
    line.pop();
    line.extend_from_slice(format!(",\"hash\":\"{hash}\"}}\n").as_bytes());
    Ok((line, hash))
}

/// The record of a line, without its newline, and its hash.
pub(super) fn from_line(line: &[u8]) -> Result<(Record, String), BadLine> {
    let (body, hash) = split_hash(line).ok_or(BadLine::NotARecord)?;
    let header: Header = serde_json::from_slice(&body).map_err(|_| BadLine::NotARecord)?;
    if sha256(&body) != hash {
        return Err(BadLine::Changed {
            sequence: header.sequence,
        });
    }
    if header.schema > SCHEMA {
        return Err(BadLine::NewerSchema(header.schema));
    }
    let record = serde_json::from_slice(&body).map_err(|_| BadLine::NotARecord)?;
    Ok((record, hash))
}

/// SHA-256 in lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// A line as the bytes that were hashed, and the hash it carries.
fn split_hash(line: &[u8]) -> Option<(Vec<u8>, String)> {
    const MEMBER: &[u8] = b",\"hash\":\"";
    let without_end = line.strip_suffix(b"\"}")?;
    let (rest, hash) = without_end.split_at_checked(without_end.len().checked_sub(GENESIS.len())?)?;
    let mut body = rest.strip_suffix(MEMBER)?.to_vec();
    body.push(b'}');
    Some((body, String::from_utf8(hash.to_vec()).ok()?))
}
