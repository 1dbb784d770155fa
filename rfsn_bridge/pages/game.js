/**
 * The page over the game: a text box, subtitles, and a WebSocket for a game runtime that has none. The plugin calls
 * `window.rfsn`; the page answers through `window.skyrimPlatform.sendMessage("rfsn", kind, ...)`.
 */
"use strict";

(() => {
  const SUBPROTOCOL = "rfsn.v1";
  const NOTICES = 4;
  const NOTICE_MS = 9000;

  const element = (id) => document.getElementById(id);
  const box = element("box");
  const line = element("line");
  const subtitle = element("subtitle");

  function tell(...values) {
    if (window.skyrimPlatform) window.skyrimPlatform.sendMessage("rfsn", ...values);
  }

  // --- The WebSocket: one at a time, named by the plugin

  let socket = null;
  let connection = 0;

  function open(id) {
    close(connection);
    connection = id;
    const opened = new WebSocket(`ws://${window.location.host}/ws`, SUBPROTOCOL);
    socket = opened;
    opened.onopen = () => tell("open", id);
    opened.onmessage = (event) => {
      if (typeof event.data === "string") tell("message", id, event.data);
    };
    opened.onclose = (event) => {
      if (socket === opened) socket = null;
      tell("closed", id, event.code, event.reason);
    };
  }

  function send(id, text) {
    if (socket && id === connection && socket.readyState === WebSocket.OPEN) socket.send(text);
  }

  /** What is closed because the plugin says so is not told to it. */
  function close(id) {
    if (!socket || id !== connection) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    socket = null;
  }

  // --- The text box

  function ask(name) {
    element("addressee").textContent = name;
    line.value = "";
    box.hidden = false;
    line.focus();
  }

  function dismiss() {
    box.hidden = true;
    line.value = "";
    line.blur();
  }

  box.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = line.value.trim();
    dismiss();
    if (text) tell("said", text);
    else tell("cancelled");
  });

  window.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || box.hidden) return;
    event.preventDefault();
    dismiss();
    tell("cancelled");
  });

  // Nothing else here takes keys: a click beside the box must not lose them.
  line.addEventListener("blur", () => {
    if (!box.hidden) window.setTimeout(() => !box.hidden && line.focus(), 0);
  });

  // --- What is read

  function showSubtitle(name, text) {
    element("speaker").textContent = name ? `${name}:` : "";
    element("words").textContent = text;
    subtitle.hidden = false;
  }

  function clear() {
    subtitle.hidden = true;
  }

  function notice(level, text) {
    const item = document.createElement("li");
    item.className = level;
    item.textContent = text;
    const list = element("notices");
    list.append(item);
    while (list.children.length > NOTICES) list.firstElementChild.remove();
    window.setTimeout(() => item.remove(), NOTICE_MS);
  }

  /** Tell that the page is here, and which loading of it this is. */
  const loaded = String(performance.timeOrigin);
  const greet = () => tell("ready", loaded);

  window.rfsn = { open, send, close, ask, dismiss, subtitle: showSubtitle, clear, notice, greet };
  greet();
})();
