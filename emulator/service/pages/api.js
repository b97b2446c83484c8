// Puts life into the page of the control API: finding operations, and trying them. Everything it needs is in the page.
"use strict";
const api = JSON.parse(document.getElementById("document").textContent);
const search = document.getElementById("find");
const world = document.getElementById("world");
const token = document.getElementById("token");
const MOST_SHOWN = 200000;

function authorization() {
  return token && token.value ? { Authorization: "Bearer " + token.value } : {};
}

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const section of document.querySelectorAll("section")) {
    let any = false;
    for (const each of section.querySelectorAll(".op")) {
      each.hidden = !words.every((word) => each.dataset.text.includes(word));
      any ||= !each.hidden;
      count += each.hidden ? 0 : 1;
    }
    section.hidden = !any;
  }
  document.getElementById("count").textContent = count + (count === 1 ? " operation" : " operations");
}

function example(schema, depth = 0) {
  if (schema.$ref) return example(api.components.schemas[schema.$ref.split("/").pop()], depth + 1);
  if (schema.examples) return schema.examples[0];
  if ("default" in schema && schema.default !== null) return schema.default;
  if ("const" in schema) return schema.const;
  if (schema.enum) return schema.enum[0];
  const one = (schema.anyOf || schema.oneOf || [])[0];
  if (one) return example(one, depth + 1);
  if (schema.type === "object") {
    const found = {};
    for (const name of schema.required || []) found[name] = depth > 5 ? null : example(schema.properties[name], depth + 1);
    return found;
  }
  if (schema.type === "array") return [];
  if (schema.type === "integer" || schema.type === "number") return schema.minimum || 0;
  if (schema.type === "boolean") return false;
  return "";
}

function element(name, text, more = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, more);
}

function choices(schema) {
  const inner = schema.enum ? schema : (schema.anyOf || []).find((each) => each.enum || each.type === "boolean") || schema;
  return inner.enum || (inner.type === "boolean" ? ["true", "false"] : null);
}

function field(parameter) {
  const label = element("label", "");
  label.append(element("span", parameter.name + (parameter.required ? " *" : "")));
  const known = choices(parameter.schema);
  let input;
  if (known) {
    input = document.createElement("select");
    if (!parameter.required) input.append(element("option", ""));
    for (const each of known) input.append(element("option", each));
  } else {
    input = element("input", "", { placeholder: String((parameter.schema.examples || [""])[0]) });
  }
  input.name = parameter.name;
  input.dataset.in = parameter.in;
  input.required = parameter.required;
  label.append(input);
  return label;
}

function build(details) {
  const operation = api.paths[details.dataset.path][details.dataset.method];
  const form = element("form", "", { className: "try" });
  form.append(element("h3", "Try it"));
  for (const parameter of operation.parameters) if (parameter.name !== "world") form.append(field(parameter));
  if (operation.requestBody) {
    const label = element("label", "", { className: "long" });
    const content = operation.requestBody.content["application/json"].schema;
    const text = element("textarea", "", { name: "body", value: JSON.stringify(example(content), null, 2), spellcheck: false });
    label.append(element("span", "Body (JSON)"), text);
    form.append(label);
  }
  const send = element("button", "Send", { type: "submit" });
  const answer = element("div", "", { className: "answer" });
  answer.setAttribute("aria-live", "polite");
  form.append(send, answer);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    call(details, form, answer);
  });
  details.lastElementChild.append(form);
}

function address(details, form) {
  const query = new URLSearchParams();
  let path = details.dataset.path.replace("{world}", encodeURIComponent(world.value));
  for (const input of form.querySelectorAll("[data-in]")) {
    if (input.dataset.in === "path") path = path.replace("{" + input.name + "}", encodeURIComponent(input.value));
    else if (input.value !== "") query.append(input.name, input.value);
  }
  return path + (query.size ? "?" + query : "");
}

async function call(details, form, answer) {
  const method = details.dataset.method.toUpperCase();
  const url = address(details, form);
  const options = { method, headers: authorization() };
  if (form.elements.body) {
    options.body = form.elements.body.value;
    options.headers["Content-Type"] = "application/json";
  }
  const stop = new AbortController();
  options.signal = stop.signal;
  const status = element("p", "…", { className: "status" });
  const shown = element("pre", "");
  const quit = element("button", "Stop", { type: "button", className: "second" });
  quit.addEventListener("click", () => stop.abort());
  answer.replaceChildren(element("pre", asCommand(method, url, options)), status, quit, shown);
  const began = performance.now();
  try {
    const got = await fetch(url, options);
    status.textContent = got.status + " " + got.statusText + ", " + Math.round(performance.now() - began) + " ms";
    status.classList.add(got.ok ? "good" : "bad");
    await show(got, shown);
  } catch (error) {
    if (error.name !== "AbortError") {
      status.textContent = "no answer: " + error.message;
      status.classList.add("bad");
    }
  }
  quit.remove();
}

async function show(got, shown) {
  const reader = got.body ? got.body.pipeThrough(new TextDecoderStream()).getReader() : null;
  let text = "";
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    if (text.length > MOST_SHOWN) {
      shown.textContent = text.slice(0, MOST_SHOWN) + "\n… and more";
      reader.cancel();
      return;
    }
    if (!got.headers.get("Content-Type").startsWith("application/json")) shown.textContent = text;
  }
  try {
    shown.textContent = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    shown.textContent = text || "(no content)";
  }
}

function asCommand(method, url, options) {
  const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
  const parts = ["curl -s", method === "GET" ? "" : "-X " + method, quoted(location.origin + url)];
  for (const [name, value] of Object.entries(options.headers)) {
    parts.push("-H " + (name === "Authorization" ? '"Authorization: Bearer $DCC_CONTROL__TOKEN"' : quoted(name + ": " + value)));
  }
  if (options.body) parts.push("-d " + quoted(options.body.replace(/\s*\n\s*/g, " ")));
  return parts.filter(Boolean).join(" ");
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
}

for (const details of document.querySelectorAll(".op")) {
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("form")) build(details);
  });
}
search.addEventListener("input", find);
window.addEventListener("hashchange", open);
document.querySelector(".bar").hidden = false;
find();
open();
