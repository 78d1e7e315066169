// What is hard to read in the page as it is shown: [] when nothing is.
const problems = [];
const canvas = document.body.appendChild(document.createElement("i"));
canvas.style.background = "Canvas";
const numbers = (color) => color.match(/[\d.]+/g).map(Number);
const root = numbers(getComputedStyle(canvas).backgroundColor);
canvas.remove();

/** The first colour that is seen behind an element. */
function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const color = numbers(getComputedStyle(at).backgroundColor);
    if (color[3] !== 0) return color;
  }
  return root;
}

/** The colour of a text, with what shines through it. */
function ink(element, behind) {
  const [red, green, blue, alpha = 1] = numbers(getComputedStyle(element).color);
  let opacity = alpha;
  for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
  return [red, green, blue].map((value, index) => value * opacity + behind[index] * (1 - opacity));
}

/** Source: WCAG 2.2, relative luminance and contrast ratio. */
function luminance(color) {
  const [red, green, blue] = color.slice(0, 3).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

const width = document.documentElement.scrollWidth;
if (width > innerWidth) problems.push(`it is ${width} wide, in a window of ${innerWidth}`);
const isDark = luminance(ground(document.body)) < 0.2;
if (isDark !== matchMedia("(prefers-color-scheme: dark)").matches) problems.push("it has the wrong scheme");
for (const element of document.querySelectorAll("body *")) {
  const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!hasText || !element.checkVisibility()) continue;
  const behind = ground(element);
  const lights = [luminance(ink(element, behind)), luminance(behind)].sort((one, other) => other - one);
  const contrast = (lights[0] + 0.05) / (lights[1] + 0.05);
  if (contrast < 4.5) problems.push(`${contrast.toFixed(1)}: ${element.textContent.trim()}`);
}
return problems;
