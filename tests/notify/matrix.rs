//! Matrix, by a real Synapse.

use super::*;

/// The homeserver that the tests of this file share, with its first user.
struct Matrix {
    url: String,
    token: String,
    user: String,
    registration_secret: String,
}

impl Matrix {
    /// Starts it once; it ends with this process.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Matrix> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notify-synapse");
            let started = Command::new(root().join("tests/world/synapse.sh"))
                .arg("start")
                .arg(&folder)
                .arg("--parent-death")
                .status();
            assert!(
                started.unwrap().success(),
                "tests/world/synapse.sh could not start Synapse"
            );
            let variables = std::fs::read_to_string(folder.join("matrix.env")).unwrap();
            let variable = |name: &str| {
                let value = variables
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                value.unwrap().trim_matches('\'').to_owned()
            };
            let registered = std::fs::read_to_string(folder.join("matrix.json")).unwrap();
            let registered: Value = serde_json::from_str(&registered).unwrap();
            Matrix {
                url: variable("MATRIX_URL"),
                token: variable("MATRIX_TOKEN"),
                user: variable("MATRIX_USER_ID"),
                registration_secret: registered["registration_secret"].as_str().unwrap().to_owned(),
            }
        })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = client()
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .json(&body);
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.text().await.unwrap()
        );
        response.json().await.unwrap()
    }

    /// Makes a room of the first user; its id.
    async fn room(&self, settings: Value) -> String {
        let created = self.post("/_matrix/client/v3/createRoom", settings).await;
        created["room_id"].as_str().unwrap().to_owned()
    }

    /// Registers another user; its id and token (Synapse's admin API, "Shared-Secret Registration").
    async fn register(&self, name: &str) -> (String, String) {
        let endpoint = format!("{}/_synapse/admin/v1/register", self.url);
        let nonce: Value = client()
            .get(&endpoint)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let nonce = nonce["nonce"].as_str().unwrap();
        // A folder that an earlier run left has its users too.
        let name = format!("{name}-{}", Timestamp::now().as_millisecond());
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            self.registration_secret.as_bytes(),
        );
        let mac = hmac::sign(&key, format!("{nonce}\0{name}\0password\0notadmin").as_bytes());
        let user = json!({
            "nonce": nonce, "username": name, "password": "password", "admin": false,
            "mac": fluxops::name::hex(mac.as_ref()),
        });
        let registered = self.post("/_synapse/admin/v1/register", user).await;
        let field = |name: &str| registered[name].as_str().unwrap().to_owned();
        (field("user_id"), field("access_token"))
    }

    /// What was said in a room, oldest first.
    async fn messages(&self, room: &str) -> Vec<Value> {
        let mut url = reqwest::Url::parse(&self.url).unwrap();
        url.path_segments_mut()
            .unwrap()
            .extend(["_matrix", "client", "v3", "rooms", room, "messages"]);
        url.set_query(Some("dir=f&limit=100"));
        let reply = client().get(url).bearer_auth(&self.token).send().await.unwrap();
        let reply: Value = reply.json().await.unwrap();
        let events = reply["chunk"].as_array().unwrap().iter();
        events
            .filter(|event| event["type"] == "m.room.message")
            .cloned()
            .collect()
    }

    async fn notifications(&self, name: &str, room: &str) -> Notifications {
        let notifications = Notifications::open(&state_dir(name)).unwrap();
        self.set(&notifications, room, &self.token).await;
        notifications
    }

    async fn set(&self, notifications: &Notifications, room: &str, token: &str) {
        let spec = json!({"type": "matrix", "address": self.url, "channel": room});
        set(notifications, spec, &[("token", token)]).await;
    }
}

/// The first lines of messages.
fn headlines(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| {
            message["content"]["body"]
                .as_str()
                .unwrap()
                .lines()
                .next()
                .unwrap()
        })
        .collect()
}

#[tokio::test]
async fn a_room_is_told_by_its_id() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = matrix.notifications("matrix-id", &room).await;
    for event in [failed("ApplyFailed", "it did not go"), succeeded(), succeeded()] {
        tell(&notifications, event).await;
    }
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    let messages = matrix.messages(&room).await;
    assert_eq!(headlines(&messages), [FAILED, RECOVERED]);
    let contents: Vec<&Value> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(
        (&contents[0]["msgtype"], &contents[1]["msgtype"]),
        (&json!("m.text"), &json!("m.notice"))
    );
    assert_eq!(contents[0]["format"], "org.matrix.custom.html");
    assert!(
        contents[0]["formatted_body"]
            .as_str()
            .unwrap()
            .contains("Roll out &lt;!channel&gt;")
    );
}

#[tokio::test]
async fn a_room_is_told_by_its_alias() {
    let matrix = Matrix::shared();
    let name = format!("deploys-{}", Timestamp::now().as_millisecond());
    let room = matrix
        .room(json!({"preset": "private_chat", "room_alias_name": name}))
        .await;
    let server = matrix.user.split_once(':').unwrap().1;
    let notifications = matrix
        .notifications("matrix-alias", &format!("#{name}:{server}"))
        .await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn a_crash_after_sending_posts_nothing_twice() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let state = state_dir("matrix-crash");
    for _ in 0..2 {
        // The same message is in the outbox again, as it is when the process dies before it takes it out.
        let _ = std::fs::remove_dir_all(&state);
        let notifications = Notifications::open(&state).unwrap();
        matrix.set(&notifications, &room, &matrix.token).await;
        assert_eq!(tell(&notifications, succeeded()).await, 1);
        assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    }
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn an_invitation_is_accepted() {
    let matrix = Matrix::shared();
    let (user, token) = matrix.register("bot").await;
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = Notifications::open(&state_dir("matrix-invite")).unwrap();
    matrix.set(&notifications, &room, &token).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(
        notifications.flush(Duration::from_secs(2)).await.unwrap(),
        1,
        "nobody has invited it"
    );

    matrix
        .post(
            &format!("/_matrix/client/v3/rooms/{room}/invite"),
            json!({"user_id": user}),
        )
        .await;
    matrix.set(&notifications, &room, &token).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn an_encrypted_room_gets_nothing() {
    let matrix = Matrix::shared();
    let encryption = json!({"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}});
    let room = matrix
        .room(json!({"preset": "private_chat", "initial_state": [encryption]}))
        .await;
    let log = Log::default();
    let _guard = log.listen(tracing::Level::WARN);
    let notifications = matrix.notifications("matrix-encrypted", &room).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(2)).await.unwrap(), 1);
    assert_eq!(matrix.messages(&room).await, Vec::<Value>::new());
    assert!(log.text().contains("the room is encrypted"), "{}", log.text());
}

#[tokio::test]
async fn a_wrong_access_token_is_named_and_not_shown() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let log = Log::default();
    let _guard = log.listen(tracing::Level::TRACE);
    let notifications = Notifications::open(&state_dir("matrix-token")).unwrap();
    matrix.set(&notifications, &room, SECRET).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(2)).await.unwrap(), 1);
    assert!(log.text().contains("M_UNKNOWN_TOKEN"), "{}", log.text());
    assert!(!log.text().contains(SECRET), "{}", log.text());
}

#[tokio::test]
async fn a_homeserver_takes_whatever_commits_and_errors_say() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = matrix.notifications("matrix-hostile", &room).await;
    let told = tell_hostile(&notifications).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(
        (matrix.messages(&room).await.len(), notifications.counts().dropped),
        (told, 0)
    );
}
