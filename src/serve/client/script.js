// The one script: it asks for pages with the token, puts them in their place, and asks
// again when there is news. What a page means it does not know; see view/web/mod.rs for
// the attributes that it goes by.
"use strict";
(() => {
  const KEY = "quintet-token";
  // Between two looks at the same page, in milliseconds: news may come faster than
  // anybody reads.
  const CALM = 400;
  const $ = (selector, root = document) => root.querySelector(selector);
  const login = $("#login");
  let token = sessionStorage.getItem(KEY);
  let listening = null;
  let address = location.pathname === "/login" ? "/" : location.pathname + location.search;

  const ask = (path, options = {}) =>
    fetch(path, {
      ...options,
      headers: { Authorization: `Bearer ${token}`, ...options.headers },
    });

  // --- The token ---

  function askForToken(refused) {
    stopListening();
    sessionStorage.removeItem(KEY);
    $("#app").replaceChildren();
    login.hidden = false;
    $("#refused").textContent = refused ? "That is not the token." : "";
    $("#token").focus();
  }

  $("form", login).addEventListener("submit", (event) => {
    event.preventDefault();
    token = $("#token").value.trim();
    $("#token").value = "";
    show(address, { asked: true, replace: true });
  });

  // --- Pages ---

  let latest = 0;

  async function show(path, { replace = false, quiet = false, asked = false, hash = "" } = {}) {
    const turn = ++latest;
    let response, html;
    try {
      response = await ask(path, { headers: { Accept: "text/html" } });
      html = await response.text();
    } catch {
      say("the server does not answer");
      return;
    }
    // A page that was asked for later counts.
    if (turn !== latest) return;
    if (response.status === 401) return askForToken(asked);
    if (!(response.headers.get("Content-Type") || "").startsWith("text/html")) return say(messageOf(html));
    if (asked) sessionStorage.setItem(KEY, token);
    login.hidden = true;
    const next = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    const moved = path !== address;
    if (!quiet) {
      if (replace) history.replaceState(null, "", path + (moved ? "" : location.hash));
      else if (moved || hash) history.pushState(null, "", path + hash);
      address = path;
    }
    const app = $("#app");
    // What keeps to its end does so until somebody scrolls away from it.
    const ended = [...app.querySelectorAll("[data-end]")];
    const left = new Set(moved ? [] : ended.filter((e) => !isAtEnd(e)).map((e) => e.id));
    if (moved && !quiet) for (const told of app.querySelectorAll("[role=alert]")) told.replaceChildren();
    morph(app, next);
    document.title = `${app.dataset.title} · quintet`;
    for (const element of app.querySelectorAll("[data-end]")) {
      if (!left.has(element.id)) element.scrollTop = element.scrollHeight;
    }
    if (!quiet) {
      if (moved && !replace) {
        scrollTo(0, 0);
        $("#main")?.focus({ preventScroll: true });
      }
      listen(app.dataset.live);
    }
    mark(!quiet);
    app.dispatchEvent(new Event("shown"));
  }

  // What the address names within the page: marked, and brought into view.
  function mark(scroll) {
    $("[data-marked]")?.removeAttribute("data-marked");
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!named) return;
    named.dataset.marked = "";
    if (scroll) named.scrollIntoView({ block: "center" });
  }

  addEventListener("hashchange", () => mark(true));

  // What is wrong, of an answer for programs.
  function messageOf(text) {
    try {
      return JSON.parse(text).error.message;
    } catch {
      return text;
    }
  }

  const isAtEnd = (element) =>
    element.scrollTop + element.clientHeight >= element.scrollHeight - 4;

  function say(text) {
    const live = $("#live");
    if (live) live.textContent = text;
  }

  // Makes one element like another, and keeps whatever is alike: what is focused stays
  // so, what is open stays open, and what somebody is typing is theirs.
  function morph(old, next) {
    // What a person has been told stays until they go on.
    if (old.matches("[role=alert]")) return;
    for (const { name } of [...old.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (old.getAttribute(name) !== value && name !== "open") old.setAttribute(name, value);
    }
    if (old.matches("input, textarea, select")) {
      if (old !== document.activeElement && old.type !== "search") {
        if (old.matches("select")) morphChildren(old, next);
        if (old.value !== next.value) old.value = next.value;
      }
      return;
    }
    morphChildren(old, next);
  }

  function morphChildren(parent, next) {
    const kept = new Map();
    for (const child of parent.children) if (child.id) kept.set(child.id, child);
    let at = parent.firstChild;
    for (const wanted of [...next.childNodes]) {
      const named = wanted.id && kept.get(wanted.id);
      if (named && named !== at) parent.insertBefore(named, at);
      const here = named || at;
      const alike =
        here &&
        here.nodeType === wanted.nodeType &&
        here.nodeName === wanted.nodeName &&
        (here.id || "") === (wanted.id || "");
      if (!alike) {
        parent.insertBefore(document.importNode(wanted, true), at);
        continue;
      }
      at = here.nextSibling;
      if (here.nodeType === Node.ELEMENT_NODE) morph(here, wanted);
      else if (here.nodeValue !== wanted.nodeValue) here.nodeValue = wanted.nodeValue;
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  // --- News ---

  function stopListening() {
    listening?.abort();
    listening = null;
  }

  // Server-sent events are read by hand: the browser's own reader cannot send the token.
  async function listen(path) {
    stopListening();
    if (!path) return say("");
    const own = (listening = new AbortController());
    let wait = 1000;
    while (!own.signal.aborted) {
      try {
        const response = await ask(path, { signal: own.signal });
        if (response.status === 401) return askForToken(false);
        if (!response.ok) throw new Error(response.status);
        say("live");
        wait = 1000;
        if (await read(response.body, own.signal)) return say("");
      } catch {
        if (own.signal.aborted) return;
      }
      say("not connected, trying again");
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 15000);
    }
  }

  // Reads one stream to its end; whether there will be no more news.
  async function read(body, signal) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let first = true;
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return false;
      text += value;
      const messages = text.split("\n\n");
      text = messages.pop();
      for (const message of messages) {
        const kind = /^event: ?(.*)$/m.exec(message)?.[1];
        if (kind === "over" || kind === "error") {
          refresh();
          return true;
        }
        // The first says where things stood when the page was made, or soon after.
        if (kind === "change" && !first) refresh();
        if (kind === "change") first = false;
      }
    }
  }

  let planned = null;
  let lastRefresh = 0;

  function refresh() {
    if (planned) return;
    planned = setTimeout(async () => {
      lastRefresh = Date.now();
      if (!document.hidden && !$("#app[data-still]")) await show(address, { quiet: true });
      planned = null;
    }, Math.max(0, lastRefresh + CALM - Date.now()));
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && listening) refresh();
  });

  // What is written while a step runs is no event: pages that show it say how often to look.
  setInterval(() => {
    const every = Number($("[data-every]")?.dataset.every);
    if (every && listening && Date.now() - lastRefresh >= every) refresh();
  }, 250);

  // --- What a person does ---

  const isOurs = (link) =>
    link && link.origin === location.origin && !link.target && link.getAttribute("href")[0] !== "#";

  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target.closest("a[href]");
    if (!isOurs(link)) return;
    event.preventDefault();
    if (link.dataset.download) save(link);
    else show(link.pathname + link.search, { hash: link.hash });
  });

  async function save(link) {
    const response = await ask(link.href);
    if (!response.ok) return say((await response.json()).error.message);
    const file = document.createElement("a");
    file.href = URL.createObjectURL(await response.blob());
    file.download = link.dataset.download;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 10000);
  }

  // The address that a form asks for: what is empty is left out.
  function addressOf(form) {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    const query = new URLSearchParams(fields).toString();
    return form.getAttribute("action") + (query ? `?${query}` : "");
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.closest("#login")) return;
    event.preventDefault();
    const path = form.dataset.post;
    if (!path) return show(addressOf(form));
    if (form.dataset.sure && !confirm(form.dataset.sure)) return;
    const body = {};
    for (const [name, value] of new FormData(form, event.submitter)) {
      body[name] = value === "true" ? true : value === "false" ? false : value;
    }
    const response = await ask(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer = await response.json().catch(() => ({}));
    const told = $("[role=alert]", form);
    told?.toggleAttribute("data-done", response.ok);
    if (!response.ok) {
      const { message, hint } = answer.error || { message: response.statusText };
      if (told) told.textContent = hint ? `${message} (${hint})` : message;
      return;
    }
    if (told) told.textContent = answer.message || "";
    if (answer.goto) show(answer.goto);
    else refresh();
  });

  // A form that is asked for as soon as something in it changes: a choice, a slider.
  let sliding = null;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-auto]");
    if (!form || event.target.type === "search") return;
    clearTimeout(sliding);
    sliding = setTimeout(() => show(addressOf(form), { replace: true }), 60);
  });

  // --- Replay ---

  let playing = null;

  function stopPlaying() {
    clearTimeout(playing);
    playing = null;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (!button) return;
    if (playing) return stopPlaying();
    const step = async () => {
      const slider = document.getElementById(button.dataset.play);
      if (!slider || Number(slider.value) >= Number(slider.max)) return stopPlaying();
      // A whole run is played in some hundred pictures, however long it is.
      const stride = Math.max(1, Math.round((slider.max - slider.min) / 120));
      slider.value = Number(slider.value) + stride;
      await show(addressOf(slider.form), { replace: true });
      if (playing) playing = setTimeout(step, 120);
    };
    const slider = document.getElementById(button.dataset.play);
    if (Number(slider.value) >= Number(slider.max)) slider.value = slider.min;
    playing = setTimeout(step, 0);
  });

  // --- The keyboard ---

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const rows = [...document.querySelectorAll("[data-rows] tbody tr")];
    const links = rows.map((row) => $("a[href]", row)).filter(Boolean);
    const at = links.indexOf(document.activeElement);
    const go = { j: Math.min(at + 1, links.length - 1), k: Math.max(at - 1, 0) }[event.key];
    if (go !== undefined && links.length) links[go].focus();
    else if (event.key === "/") $("[data-search]")?.focus();
    else return;
    event.preventDefault();
  });

  addEventListener("popstate", () => {
    // Only the place within the page is another.
    if (location.pathname + location.search === address) return;
    stopPlaying();
    show(location.pathname + location.search, { replace: true });
  });

  if (token) show(address, { replace: true });
  else askForToken(false);
})();
