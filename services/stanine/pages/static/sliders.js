// Sliders next to the typed numbers that they set. Used by survey.js. A slider has no value before it is moved.

import { readNumber } from "./questions.js";

export function watchSliders(form) {
  const language = form.ownerDocument.documentElement.lang;
  const format = new Intl.NumberFormat(language, {
    useGrouping: false,
    numberingSystem: "latn",
    maximumFractionDigits: 9,
  });
  for (const box of form.querySelectorAll("[data-slider]")) {
    const slider = box.querySelector("input");
    const set = box.closest("fieldset");
    const field = set.querySelector(".number input");
    const follow = () => {
      const number = readNumber(field.value);
      box.classList.toggle("untouched", typeof number !== "number");
      if (typeof number === "number") slider.value = number;
      slider.setAttribute("aria-valuetext", field.value || "–");
    };
    slider.addEventListener("input", () => {
      field.value = format.format(slider.valueAsNumber);
      follow();
    });
    field.addEventListener("input", follow);
    set.addEventListener("written", follow);
    box.hidden = false;
    follow();
  }
}
