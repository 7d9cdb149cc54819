//! fluxops
