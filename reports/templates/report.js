(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");

  var toggle = document.getElementById("theme");
  toggle.addEventListener("click", function () {
    var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  function select(node) {
    var range = document.createRange();
    range.selectNodeContents(node);
    var selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  document.querySelectorAll("[data-copy]").forEach(function (button) {
    button.addEventListener("click", function () {
      var node = document.getElementById(button.dataset.copy);
      var said = button.textContent;
      function done() {
        button.textContent = "Copied";
        setTimeout(function () { button.textContent = said; }, 1500);
      }
      function byHand() {
        select(node);
        if (document.execCommand("copy")) { done(); }
      }
      if (navigator.clipboard) { navigator.clipboard.writeText(node.textContent).then(done, byHand); } else { byHand(); }
    });
  });

  var opened = [];
  addEventListener("beforeprint", function () {
    opened = Array.prototype.filter.call(document.querySelectorAll("details"), function (node) { return !node.open; });
    opened.forEach(function (node) { node.open = true; });
  });
  addEventListener("afterprint", function () { opened.forEach(function (node) { node.open = false; }); });

  var words = document.getElementById("filter-words");
  if (!words) { return; }
  var column = document.getElementById("filter-column");
  var kind = document.getElementById("filter-class");
  var shown = document.getElementById("filter-shown");
  var rows = Array.prototype.map.call(document.querySelectorAll(".differences tbody"), function (body) {
    return { body: body, text: body.textContent.toLowerCase(), kind: body.dataset.class, columns: JSON.parse(body.dataset.columns) };
  });
  var first = 25;
  var more = document.getElementById("show-all");
  function filter() {
    var wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    var count = 0;
    rows.forEach(function (row) {
      var fits = (!kind.value || row.kind === kind.value) &&
        (!column.value || row.columns.indexOf(column.value) >= 0) &&
        wanted.every(function (word) { return row.text.indexOf(word) >= 0; });
      count += fits ? 1 : 0;
      row.body.hidden = !fits;
      row.body.classList.toggle("later", fits && count > first);
    });
    more.hidden = count <= first;
    more.textContent = "Show all " + count.toLocaleString("en");
    shown.textContent = Math.min(count, first).toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " shown";
  }
  more.addEventListener("click", function () { first = Infinity; filter(); });
  [words, column, kind].forEach(function (control) { control.addEventListener("input", filter); });
  filter();
}());
