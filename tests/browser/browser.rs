//! A browser that does what a person does: Chromium without a window, told what to do
//! through its driver by the WebDriver protocol.
//!
//! The protocol is a few addresses that take JSON, so the HTTP client that the program
//! has anyway is enough.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where pictures are kept for whoever wants to look at them.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots")
}

/// Ends with this.
pub struct Browser {
    driver: Child,
    session: String,
    agent: ureq::Agent,
}

/// How large its window is; a desktop's, a phone's.
pub const DESKTOP: (u32, u32) = (1280, 900);
pub const PHONE: (u32, u32) = (375, 740);

impl Browser {
    /// Opens a browser that knows nothing; nothing, where there is none here.
    pub fn open(home: &Path) -> Option<Browser> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(driver.stdout.take()?).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        })?;
        // What it says later is read, so that it never waits for us.
        std::thread::spawn(move || lines.count());
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE));
        let mut browser = Browser {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            agent: config.build().into(),
        };
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let arguments = [
            "--headless=new",
            // The sandbox needs what a container and root have not; the pages are ours.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            profile.as_str(),
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let opened = browser.call("POST", "", wanted);
        let id = opened["sessionId"].as_str().expect("a session");
        browser.session = format!("{}/{id}", browser.session);
        browser.size(DESKTOP);
        Some(browser)
    }

    fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let address = format!("{}{path}", self.session);
        let answer = match method {
            "POST" => self.agent.post(&address).send_json(body),
            "DELETE" => self.agent.delete(&address).call(),
            _ => self.agent.get(&address).call(),
        };
        let mut answer = answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let told = answer.body_mut().with_config().limit(64 << 20).read_json();
        let mut told: Value = told.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let value = told["value"].take();
        assert!(answer.status().is_success(), "{method} {path}: {value:#}");
        value
    }

    pub fn size(&self, (width, height): (u32, u32)) {
        // A window may not be as narrow as a phone: what it shows may.
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": width < 500 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    pub fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.call("POST", "/goog/cdp/execute", body);
    }

    pub fn go(&self, address: &str) {
        self.call("POST", "/url", json!({ "url": address }));
    }

    /// Does this in the page; gives what it returns.
    pub fn script(&self, script: &str, arguments: &[Value]) -> Value {
        let body = json!({ "script": script, "args": arguments });
        self.call("POST", "/execute/sync", body)
    }

    /// All the text that a person sees.
    pub fn text(&self) -> String {
        let text = self.script("return document.body.innerText", &[]);
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page shows this.
    #[track_caller]
    pub fn shows(&self, part: &str) {
        self.until(part, || self.text().contains(part));
    }

    #[track_caller]
    pub fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < PATIENCE, "never: {what}\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for the first element that fits.
    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let mut found = None;
        self.until(selector, || {
            let wanted = json!({ "using": "css selector", "value": selector });
            let all = self.call("POST", "/elements", wanted);
            let first = all.as_array().and_then(|all| all.first()?.as_object());
            found = first.and_then(|first| first.values().next()?.as_str().map(str::to_owned));
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Clicks where the element is, as a person does.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.element(selector);
        // A page that has just been brought up to date may have moved it.
        self.script(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center'})",
            &[json!(selector)],
        );
        let element = self.element(selector);
        self.call("POST", &format!("/element/{element}/click"), json!({}));
    }

    /// Clicks the link or button that says this.
    #[track_caller]
    pub fn choose(&self, text: &str) {
        let found = "const all = [...document.querySelectorAll('a, button')]; \
            const it = all.find((e) => e.innerText.trim() === arguments[0]); \
            if (it) { it.scrollIntoView({block: 'center'}); it.click(); } return !!it";
        self.until(text, || self.script(found, &[json!(text)]) == json!(true));
    }

    #[track_caller]
    pub fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        let keys = json!({ "text": text });
        self.call("POST", &format!("/element/{element}/value"), keys);
    }

    /// Presses keys wherever one is.
    pub fn press(&self, keys: &str) {
        let pressed = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let keyboard = json!({ "type": "key", "id": "keyboard",
            "actions": pressed.collect::<Vec<_>>() });
        self.call("POST", "/actions", json!({ "actions": [keyboard] }));
    }

    /// Opens the dashboard, as somebody who has the token.
    #[track_caller]
    pub fn enter(&self, host: &str, token: &str) {
        self.go(&format!("http://{host}/"));
        self.type_into("#token", token);
        self.click("#login button");
        self.until("the dashboard", || {
            self.script("return !!document.querySelector('#main h1')", &[]) == json!(true)
        });
    }

    /// What the browser complained about since it was asked last.
    pub fn complaints(&self) -> Vec<String> {
        let all = self.call("POST", "/se/log", json!({ "type": "browser" }));
        let all = all.as_array().cloned().unwrap_or_default();
        let said = all
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or("").to_owned());
        // The first request of a session has no token, and is answered by the document.
        said.filter(|said| !said.contains("status of 401"))
            .collect()
    }

    /// A picture of what is to be seen, kept under this name.
    pub fn picture(&self, name: &str) {
        let picture = self.call("GET", "/screenshot", Value::Null);
        let bytes = STANDARD
            .decode(picture.as_str().expect("a picture"))
            .expect("base64");
        std::fs::create_dir_all(pictures()).expect("a directory");
        std::fs::write(pictures().join(format!("{name}.png")), bytes).expect("a file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when its session ends, but not when it is killed.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
