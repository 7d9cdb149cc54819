//! stub
use std::path::{Path, PathBuf};
use std::time::Duration;
use git_signature::ObjectId;
pub struct Revision;
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct FetchError;
impl FetchError { pub fn reason(&self) -> &'static str {""} pub fn advice(&self) -> &'static str {""} }
impl std::fmt::Display for Revision { fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
impl Revision {
 pub fn raw_commit(&self) -> Result<(ObjectId, Vec<u8>), FetchError> { Err(FetchError) }
 pub fn raw_tag(&self) -> Result<Option<(ObjectId, Vec<u8>)>, FetchError> { Err(FetchError) }
 pub fn reference(&self) -> &str { "" }
 pub fn repository_path(&self) -> &Path { Path::new("") }
 pub fn commit_hex(&self) -> String { String::new() }
}
pub enum Home { Cluster, ConfigFile }
pub struct GitUrl; pub struct Credentials; pub struct Proxy;
impl GitUrl { pub fn parse(_: &str, _: Home) -> Result<Self, FetchError> { Err(FetchError) } }
impl Credentials { pub fn parse(_: &GitUrl, _: &crate::files::SecretData) -> Result<Self, FetchError> { Err(FetchError) } pub fn none(_: &GitUrl) -> Result<Self, FetchError> { Err(FetchError) } }
impl Proxy { pub fn parse(_: &crate::files::SecretData) -> Result<Self, FetchError> { Err(FetchError) } }
pub struct Remote { pub url: GitUrl, pub credentials: Credentials, pub proxy: Option<Proxy>, pub timeout: Duration }
pub async fn fetch(_: &PathBuf, _: Remote, _: crate::api::GitReference) -> Result<Revision, FetchError> { Err(FetchError) }
