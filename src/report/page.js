'use strict';
// Tables that sort, filter and page; a scatter plot of the main one whose points show their row.
const tables = JSON.parse(document.getElementById('tables').textContent);
const PAGE = 100;

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const isNumber = text => text !== '' && !Number.isNaN(Number(text));
const short = text => isNumber(text) && /[.eE]/.test(text) ? String(Number(Number(text).toPrecision(5))) : text;

// Round numbers from low to high, about `count` of them: 1, 2 or 5 times a power of ten apart.
function steps(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= raw);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}

// The same for logarithms to base ten: powers of ten, with 2 and 5 times them where there are few.
function logSteps(low, high, count) {
  const found = [];
  const apart = Math.max(1, Math.ceil((high - low) / count));
  const factors = high - low < count / 3 ? [1, 2, 5] : [1];
  for (let power = Math.floor(low / apart) * apart; power <= high; power += apart) {
    for (const factor of factors) {
      const at = power + Math.log10(factor);
      if (at >= low && at <= high) found.push([at, Number((factor * 10 ** power).toPrecision(2))]);
    }
  }
  return found.length > 1 ? found : steps(10 ** low, 10 ** high, count).map(v => [Math.log10(v), v]);
}

function compare(a, b) {
  // Empty cells come last whichever way.
  if (a === '' || b === '') return 0;
  return isNumber(a) && isNumber(b) ? Number(a) - Number(b) : a.localeCompare(b);
}

// "lr < 0.1 status = complete word": conditions on columns, and words that a row holds.
function conditions(text, columns) {
  const found = [];
  const rest = text.replace(/(\S+?)\s*(<=|>=|!=|=|<|>)\s*(\S+)/g, (whole, name, sign, value) => {
    const place = columns.indexOf(name);
    if (place < 0) return whole;
    found.push(row => {
      const cell = row[place];
      if (sign === '=') return cell === value || (isNumber(cell) && Number(cell) === Number(value));
      if (sign === '!=') return !(cell === value || (isNumber(cell) && Number(cell) === Number(value)));
      if (!isNumber(cell)) return false;
      const [a, b] = [Number(cell), Number(value)];
      return sign === '<' ? a < b : sign === '>' ? a > b : sign === '<=' ? a <= b : a >= b;
    });
    return '';
  });
  for (const word of rest.toLowerCase().split(/\s+/).filter(Boolean)) {
    found.push(row => row.some(cell => cell.toLowerCase().includes(word)));
  }
  return found;
}

function build(place) {
  const { columns, rows } = tables[Number(place.dataset.table)];
  const state = { sort: -1, falling: false, shown: PAGE, rows };
  const numeric = columns.map((_, at) => rows.some(row => row[at] !== '') && rows.every(row => row[at] === '' || isNumber(row[at])));
  const count = element('span', { class: 'count', 'aria-live': 'polite' });
  const filter = element('input', {
    type: 'search', size: '34', 'aria-label': 'filter', placeholder: 'filter: words, or column < 0.1',
    oninput: () => { state.shown = PAGE; update(); },
  });
  const head = element('tr');
  columns.forEach((name, at) => {
    const button = element('button', { type: 'button', onclick: () => {
      state.falling = state.sort === at && !state.falling;
      state.sort = at;
      update();
    } }, name);
    head.append(element('th', { scope: 'col' }, button));
  });
  const body = element('tbody');
  const more = element('button', { type: 'button', onclick: () => { state.shown += 10 * PAGE; draw(); } }, 'more rows');
  place.append(
    element('div', { class: 'tools' }, filter, count),
    element('div', { class: 'wide' }, element('table', {}, element('thead', {}, head), body)),
    more,
  );

  function update() {
    const tests = conditions(filter.value, columns);
    const kept = rows.filter(row => tests.every(test => test(row)));
    if (state.sort >= 0) {
      const [at, way] = [state.sort, state.falling ? -1 : 1];
      kept.sort((a, b) => (a[at] === '') - (b[at] === '') || way * compare(a[at], b[at]));
    }
    state.rows = kept;
    [...head.children].forEach((cell, at) => {
      const way = at === state.sort ? (state.falling ? 'descending' : 'ascending') : 'none';
      cell.setAttribute('aria-sort', way);
      cell.firstChild.textContent = columns[at] + (way === 'none' ? '' : state.falling ? ' ▾' : ' ▴');
    });
    draw();
    if (state.plot) state.plot();
  }

  function draw() {
    const cell = (text, at) => element('td', numeric[at] ? { class: 'number', title: text } : { title: text }, short(text));
    body.replaceChildren(...state.rows.slice(0, state.shown).map(row => element('tr', {}, ...row.map(cell))));
    count.textContent = `${state.rows.length} of ${rows.length} rows`;
    more.hidden = state.rows.length <= state.shown;
  }

  if ('explore' in place.dataset) explore(place, columns, numeric, state);
  update();
}

function explore(place, columns, numeric, state) {
  const choices = columns.filter((_, at) => numeric[at]);
  if (choices.length < 2) return;
  const prefer = (wanted, other) => wanted.find(name => choices.includes(name)) || other;
  const select = (label, value) => {
    const made = element('select', { 'aria-label': label, onchange: () => { suggest(); plot(); } }, ...choices.map(name => element('option', {}, name)));
    made.value = value;
    return made;
  };
  const numbers = name => state.rows.map(row => row[columns.indexOf(name)]).filter(isNumber).map(Number);
  const result = prefer(['value', 'area', 'importance', 'validation_accuracy'], choices[choices.length - 1]);
  // What says most at first sight: a hyperparameter of many values, no number of a row and no seed.
  const causes = choices.filter(name => name !== result && !['trial', 'replicate', 'seed', 'seconds'].includes(name));
  const rank = name => 2 * (new Set(numbers(name)).size > 10) + name.startsWith('hp.');
  const first = causes.reduce((best, name) => rank(name) > rank(best) ? name : best, causes[0] || choices[0]);
  const x = select('horizontal axis', first);
  const y = select('vertical axis', result);
  const log = element('input', { type: 'checkbox', onchange: () => plot() });
  const canvas = element('canvas', { role: 'img', 'aria-label': 'scatter plot of two columns; hover for values' });
  const tip = element('div', { class: 'tip', hidden: '' });
  const frame = element('div', { class: 'plot' }, canvas, tip);
  place.prepend(element('div', { class: 'tools' }, y, 'against', x, element('label', {}, log, ' logarithmic')), frame);
  const left = 70, bottom = 34, top = 10, right = 14;
  let points = [];

  // Positive numbers over a factor of 50 or more are read on a logarithmic axis.
  function suggest() {
    const values = numbers(x.value);
    const least = values.reduce((a, b) => Math.min(a, b), Infinity);
    log.checked = least > 0 && values.reduce((a, b) => Math.max(a, b), 0) >= 50 * least;
  }

  function plot() {
    const [width, height, ratio] = [frame.clientWidth, 320, window.devicePixelRatio || 1];
    if (width === 0) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const color = name => style.getPropertyValue(name).trim();
    const [xAt, yAt] = [columns.indexOf(x.value), columns.indexOf(y.value)];
    const scale = v => log.checked ? Math.log10(v) : v;
    const known = state.rows.filter(row => isNumber(row[xAt]) && isNumber(row[yAt]) && Number.isFinite(scale(Number(row[xAt]))));
    const span = values => {
      let [low, high] = [Infinity, -Infinity];
      for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
      if (!(high > low)) { low -= 0.5; high += 0.5; }
      const pad = (high - low) * 0.04;
      return [low - pad, high + pad];
    };
    const [x0, x1] = span(known.map(row => scale(Number(row[xAt]))));
    const [y0, y1] = span(known.map(row => Number(row[yAt])));
    const px = v => left + (v - x0) / (x1 - x0) * (width - left - right);
    const py = v => height - bottom - (v - y0) / (y1 - y0) * (height - bottom - top);
    context.strokeStyle = color('--line');
    context.fillStyle = color('--muted');
    context.font = '12px system-ui, sans-serif';
    context.textAlign = 'right';
    for (const v of steps(y0, y1, 5)) {
      context.beginPath();
      context.moveTo(left, py(v)); context.lineTo(width - right, py(v)); context.stroke();
      context.fillText(v, left - 6, py(v) + 4);
    }
    context.textAlign = 'center';
    const across = Math.max(2, Math.min(8, Math.floor((width - left - right) / 70)));
    const marks = log.checked ? logSteps(x0, x1, across) : steps(x0, x1, across).map(v => [v, v]);
    for (const [at, v] of marks) {
      context.beginPath();
      context.moveTo(px(at), height - bottom); context.lineTo(px(at), height - bottom + 4); context.stroke();
      context.fillText(v, px(at), height - bottom + 16);
    }
    context.textAlign = 'center';
    context.fillText(x.value, (left + width - right) / 2, height - 3);
    context.fillStyle = color('--accent');
    context.globalAlpha = known.length > 2000 ? 0.35 : 0.7;
    points = known.map(row => [px(scale(Number(row[xAt]))), py(Number(row[yAt])), row]);
    for (const [a, b] of points) { context.beginPath(); context.arc(a, b, 3, 0, 7); context.fill(); }
    context.globalAlpha = 1;
  }

  suggest();
  canvas.addEventListener('pointermove', event => {
    const box = canvas.getBoundingClientRect();
    const [a, b] = [event.clientX - box.left, event.clientY - box.top];
    let [best, near] = [null, 14 * 14];
    for (const point of points) {
      const distance = (point[0] - a) ** 2 + (point[1] - b) ** 2;
      if (distance < near) [best, near] = [point, distance];
    }
    tip.hidden = best === null;
    if (best === null) return;
    const lines = columns.map((name, at) => [name, best[2][at]]).filter(([, text]) => text !== '').slice(0, 14);
    tip.textContent = lines.map(([name, text]) => `${name}: ${short(text)}`).join('\n');
    tip.style.left = `${Math.max(0, Math.min(best[0] + 10, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, Math.min(best[1] + 10, box.height - tip.offsetHeight))}px`;
  });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  state.plot = plot;
  new ResizeObserver(plot).observe(frame);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', plot);
}

document.querySelectorAll('[data-table]').forEach(build);
