//! What the answers of Slack mean.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::notify::answer::{Answer, Reply, quoted_word};

/// What the Web API answers.
#[derive(Deserialize)]
struct ApiAnswer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
}

/// What an answer of `chat.postMessage` means: its status is 200 even where it refuses.
pub(in crate::notify) fn bot_answer(reply: &Reply) -> Answer {
    if let Some(later) = busy(reply) {
        return later;
    }
    match serde_json::from_slice::<ApiAnswer>(&reply.body) {
        Ok(ApiAnswer { ok: true, .. }) if reply.status.is_success() => Answer::Accepted,
        Ok(ApiAnswer { ok: false, error }) => refusal(error.as_deref().unwrap_or_default(), reply),
        _ => not_slack(reply.status),
    }
}

/// What an answer of an incoming webhook means: `ok`, or a word with a 4xx status.
pub(in crate::notify) fn webhook_answer(reply: &Reply) -> Answer {
    if let Some(later) = busy(reply) {
        return later;
    }
    let word = String::from_utf8_lossy(&reply.body);
    match word.trim() {
        "ok" if reply.status.is_success() => Answer::Accepted,
        word if reply.status.is_client_error() => refusal(word, reply),
        _ => not_slack(reply.status),
    }
}

fn busy(reply: &Reply) -> Option<Answer> {
    let is_busy = reply.status == StatusCode::TOO_MANY_REQUESTS
        || reply.status == StatusCode::REQUEST_TIMEOUT
        || reply.status.is_server_error();
    is_busy.then(|| Answer::Later {
        wait: reply.retry_after,
        why: format!("Slack answered {}", reply.status),
    })
}

fn not_slack(status: StatusCode) -> Answer {
    Answer::Misconfigured {
        why: format!("the answer ({status}) is not one of Slack's; check the address"),
    }
}

/// What an error word means. Words of the message are for ever, those of the workspace can be mended, and
/// those that are unknown are taken for Slack's own trouble.
fn refusal(word: &str, reply: &Reply) -> Answer {
    let word = quoted_word(word);
    let why = |hint: &str| format!("Slack says {word}: {hint}");
    match word.as_str() {
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "rollup_error" => Answer::Later {
            wait: reply.retry_after,
            why: why("it asks us to try again"),
        },
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "invalid_payload"
        | "invalid_json"
        | "json_not_object"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text"
        | "too_many_attachments"
        | "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_charset"
        | "duplicate_message_not_allowed" => Answer::Rejected {
            why: why("it does not take this message"),
        },
        "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" | "account_inactive" => {
            Answer::Misconfigured {
                why: why("put a valid bot token into the Secret"),
            }
        }
        "missing_scope" | "no_permission" | "not_allowed_token_type" => Answer::Misconfigured {
            why: why("give the app the scope chat:write and install it again"),
        },
        "not_in_channel" => Answer::Misconfigured {
            why: why("invite the bot into the channel"),
        },
        "channel_not_found" | "is_archived" | "channel_is_archived" => Answer::Misconfigured {
            why: why("check the channel"),
        },
        "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "invalid_token"
        | "user_not_found"
        | "action_prohibited"
        | "posting_to_general_channel_denied"
        | "restricted_action" => Answer::Misconfigured {
            why: why("the webhook is gone or may not post; make a new one and put it into the Secret"),
        },
        _ if reply.status.is_client_error() => Answer::Misconfigured {
            why: format!(
                "Slack answered {} {word}; check the address and the token",
                reply.status
            ),
        },
        _ => Answer::Later {
            wait: reply.retry_after,
            why: why("we do not know this error"),
        },
    }
}
