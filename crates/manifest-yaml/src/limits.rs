//! How much a document may ask of its reader.

/// Bounds that hold while a text is parsed. A text that crosses one is refused, with the place where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text; also the bytes of scalar text that aliases may add by being expanded.
    pub max_bytes: usize,
    /// Collections inside each other, aliases expanded. Never more than [`Limits::DEEPEST`] counts.
    pub max_depth: usize,
    /// Nodes and comments in a text, over all of its documents.
    pub max_nodes: usize,
    /// Documents in a stream, empty ones included.
    pub max_documents: usize,
    /// Nodes that aliases add by being expanded, over all documents of a text.
    pub max_alias_nodes: usize,
}

impl Limits {
    /// 5 MiB: what Flux's kustomize-controller takes as one file (`maxEncryptedFileSize` in its decryptor).
    pub const MAX_BYTES: usize = 5 << 20;
    /// 100 levels: no Kubernetes object comes near; recursive walks stay far from the end of the stack.
    pub const MAX_DEPTH: usize = 100;
    /// 500,000 nodes: a 5 MiB file of ordinary manifests has fewer; each costs about 200 bytes.
    pub const MAX_NODES: usize = 500_000;
    /// 10,000 documents.
    pub const MAX_DOCUMENTS: usize = 10_000;
    /// 100,000 nodes: go-yaml allows about 400,000 in the worst case (`alias_ratio_range_low` in its decode.go).
    pub const MAX_ALIAS_NODES: usize = 100_000;
    /// A larger `max_depth` counts as this, so that no setting can overflow the stack.
    pub const DEEPEST: usize = 500;

    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Self::DEEPEST)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: Self::MAX_BYTES,
            max_depth: Self::MAX_DEPTH,
            max_nodes: Self::MAX_NODES,
            max_documents: Self::MAX_DOCUMENTS,
            max_alias_nodes: Self::MAX_ALIAS_NODES,
        }
    }
}
