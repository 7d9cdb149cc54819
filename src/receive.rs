//! Calls of forges, which say that something was pushed: who calls, whether it is news, and whom it concerns.
//!
//! ```text
//! path ─admit→ Admitted ─body→ bytes ─check→ Authentic ─rate, replay→ news ─parse→ Pushed → sources are fetched
//! ```
//! Nothing of a body is looked at before its origin is proven. All that a call can do is to have a source fetched now, whose
//! commits are verified as ever.

mod authenticity;
mod forge;
mod pushed;
mod rate;
mod receivers;
mod replay;
mod server;

pub use authenticity::{Authentic, Authenticity, InvalidToken, MAX_CLOCK_SKEW, MIN_TOKEN, Unauthentic};
pub use pushed::{MAX_PUSHED, Pushed};
pub use rate::{Rate, TokenBucket};
pub use receivers::{
    Admitted, Answer, InvalidReceiver, OVERALL_RATE, RECEIVER_RATE, Receivers, Refusal, webhook_path,
};
pub use replay::{MAX_REMEMBERED, REPLAY_WINDOW, Remembered};
pub use server::{BODY_TIMEOUT, MAX_BODY, MAX_CALLS, MAX_HEADERS, receive};
