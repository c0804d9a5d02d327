"""
Draw what train.py logged, what a model attends to and how it searches: SVG, and one HTML page.

    python plot.py                                      (checkpoints/log.jsonl -> training_plots/index.html)
    python plot.py --runs=checkpoints/a,checkpoints/b   (several runs in one chart -> training_plots/runs.svg)
    python plot.py --attention --text="Ein Hund läuft." (attention while it translates -> attention.svg)
    python plot.py --beam --text="Ein Hund läuft."      (what the beam search kept and dropped -> beam.svg)

train.py draws the page again at every evaluation; in a browser it reloads itself while training goes on.
"""
import signal
if __name__ == '__main__':                          # until main() runs, Ctrl-C ends the script without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
import html, itertools, json, math, os, time, unicodedata

import torch

from sample import attention_weights, beam_search, load, max_lengths, pad, replace_unknowns
from tokenizer import EOS, JOINER, PAD, atomic_write, fail, normalise, run_script, split, to_text

# -----------------------------------------------------------------------------
# config
out_dir = 'checkpoints'     # the run: the folder with log.jsonl and best.pt
plot_dir = ''               # for the pictures; if empty: training_plots, or OUT_DIR/training_plots
runs = ''                   # or several such folders, separated by commas: their losses in one chart
by = 'steps'                # the horizontal axis of several runs: steps, tokens or hours
attention = False           # draw the attention while the model translates ...
beam = False                # ... or its beam search for the translation of ...
text = ''                   # ... this sentence
beam_size = 4               # hypotheses that the search keeps
# -----------------------------------------------------------------------------
# charts: each function returns an SVG document, readable on a telephone, in light and in dark mode

# colours that colour-blind people can tell apart (Okabe & Ito 2008), and two more
COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#b8a800']
STYLE = '''
  text { font: 14px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 16px }
  .paper { fill: #fff } .grid { stroke: #ddd } .cell { stroke: #fff } .bar { fill-opacity: .85 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round } path.whisker { stroke: #333 }
  path { fill: none; stroke-width: 1.5; stroke: #999 } path.pruned { stroke-dasharray: 3 4 }
  path.winner { stroke: #0072b2; stroke-width: 3 } path.greedy { stroke: #d55e00; stroke-width: 2.5 }
  text.pruned { opacity: .55 } text.winner { font-weight: 700 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .paper { fill: #16181c } .grid { stroke: #3a3d42 } .cell { stroke: #16181c }
    path.whisker { stroke: #ddd }
  }
'''

def escape(text):
    """For SVG and HTML: no markup, no control characters."""
    return html.escape(''.join(c if c.isprintable() else ' ' for c in str(text)))

def text_width(text, size=14):
    """About how many pixels: the widths of DejaVu Sans, which is wider than most other fonts."""
    return size * sum(0.38 if c in "ijlftrI.,:;'!()[]-/| " else 1.0 if unicodedata.east_asian_width(c) in 'WF'
                      or c in 'mwMW@%' else 0.78 if c.isupper() or c in '=+<>' else 0.63 for c in text)

def shorten(text, room, size=14):
    """As much of a text as has room, in pixels."""
    while text_width(text, size) > room and len(text) > 1:
        text = text[:-2] + '…'
    return text

def svg_text(x, y, text, anchor='start', more=''):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'

def svg_document(width, height, title, elements):
    """With its size in pixels: where there is less room, a browser scrolls and the text stays readable."""
    return '\n'.join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
                      f'viewBox="0 0 {width} {height}" role="img">',
                      f'<title>{escape(title)}</title><style>{STYLE}</style>',
                      f'<rect class="paper" width="{width}" height="{height}"/>',
                      svg_text(12, 24, shorten(title, width - 24, 18), more=' class="title"'),
                      *elements, '</svg>\n'])

def format_number(number):
    """1500 -> '1,500', 250000 -> '250k', 2500000 -> '2.5M', 0.0003 -> '0.0003', 0.0000001 -> '1e-07'."""
    if number and not 1e-4 <= abs(number) < 1e9:
        return f'{number:.0e}'
    if abs(number) >= 1e6:
        return f'{number / 1e6:,.10g}M'
    return f'{number / 1e3:,.10g}k' if abs(number) >= 1e5 else f'{number:,.10g}'

def round_ticks(low, high, about=6):
    """About so many round numbers from low to high, in steps of 1, 2 or 5 times a power of ten."""
    rough_step = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough_step))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= 0.8 * rough_step)
    ticks = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [float(f'{i * step:.12g}') for i in ticks]

class Axis:
    """Maps numbers to the pixels from begin to end, logarithmically if it may and they span three decades."""

    def __init__(self, numbers, begin, end, may_be_log=False, from_zero=False):
        numbers = [n for n in numbers if math.isfinite(n)] + [0.0] * from_zero or [0.0, 1.0]
        low, high = min(numbers), max(numbers)
        self.begin, self.end = begin, end
        self.log = may_be_log and low > 0 and high / low > 1000
        if self.log:
            low, high = math.log10(low), math.log10(high)
            decades = math.ceil((high - low) / 7)
            self.ticks = [10.0 ** n for n in range(math.ceil(low), math.floor(high) + 1, decades)]
        else:
            if high - low <= 1e-12 * abs(high):             # one value: in the middle
                low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
            self.ticks = round_ticks(low, high, max(2, min(6, abs(end - begin) / 45)))
        self.low, self.high = low, high

    def __call__(self, number):
        number = math.log10(number) if self.log else number
        fraction = (number - self.low) / (self.high - self.low)
        return round(self.begin + fraction * (self.end - self.begin), 1)

def line_chart(title, x_label, y_label, series, width=640, height=380, dots=False, may_be_log=True,
               from_zero=False):
    """series: [(name, [(x, y), ...])]. Lines with gaps where y is not finite; with dots a scatter chart."""
    series = [(name, [(x, y) for x, y in points if math.isfinite(x)]) for name, points in series]
    series = [(name, points) for name, points in series if any(math.isfinite(y) for _, y in points)]
    names = [shorten(name, 0.4 * width) for name, _ in series] if len(series) > 1 else []
    room = max(map(text_width, names), default=0)
    Y = Axis([y for _, points in series for _, y in points], height - 50, 56, may_be_log, from_zero)
    left = 20 + max((text_width(format_number(tick)) for tick in Y.ticks), default=8)
    X = Axis([x for _, points in series for x, _ in points], left, width - room - 26)
    elements, ends, colours = draw_axes(X, Y, x_label, y_label, height), [], COLOURS * len(series)
    for (_, points), colour in zip(series, colours):
        elements += draw_line(points, X, Y, colour, dots)
        ends.append(Y([y for _, y in points if math.isfinite(y)][-1]) + 5)
    elements += [svg_text(X.end + 9, y, name, more=f' style="fill:{colour}"') for name, colour, y
                 in zip(names, colours, spread_labels(ends, 17, 60, height - 46))]
    return svg_document(width, height, title, elements)

def draw_axes(X, Y, x_label, y_label, height):
    """A grid line and a number for each tick of Y, the numbers of X below, and the names of both axes."""
    elements = [svg_text(12, 44, y_label), svg_text((X.begin + X.end) / 2, height - 8, x_label, 'middle')]
    for tick in Y.ticks:
        elements += [f'<line class="grid" x1="{X.begin:.1f}" x2="{X.end}" y1="{Y(tick)}" y2="{Y(tick)}"/>',
                     svg_text(X.begin - 8, Y(tick) + 5, format_number(tick), 'end')]
    return elements + [svg_text(X(tick), height - 30, format_number(tick), 'middle') for tick in X.ticks]

def draw_line(points, X, Y, colour, dots):
    """The pieces of a line between its gaps, and a dot for each point if there is room; with dots no line."""
    pieces = [[(X(x), Y(y)) for x, y in downsample(list(piece), X)]
              for finite, piece in itertools.groupby(points, lambda point: math.isfinite(point[1])) if finite]
    every = dots or 10 * sum(map(len, pieces)) < X.end - X.begin
    marks = [xy for piece in pieces for xy in piece if every or len(piece) == 1 or xy == pieces[-1][-1]]
    lines = [] if dots else [' '.join(f'{x},{y}' for x, y in piece) for piece in pieces if len(piece) > 1]
    return [*(f'<polyline class="line" stroke="{colour}" points="{line}"/>' for line in lines),
            *(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in marks)]

def downsample(points, X, most=400):
    """At most about 2 * most points of a line, the lowest and the highest in each column of pixels."""
    if len(points) <= 2 * most:
        return points
    columns, width = {}, max(1e-9, abs(X.end - X.begin) / most)
    for i, (x, y) in enumerate(points):
        columns.setdefault(int((X(x) - X.begin) / width), []).append((y, i))
    kept = {i for column in columns.values() for _, i in (min(column), max(column))}
    return [points[i] for i in sorted(kept | {0, len(points) - 1})]

def spread_labels(wanted, gap, low, high):
    """Places between low and high for labels, at least `gap` apart, in the order of where they are wanted."""
    order, places, last = sorted(range(len(wanted)), key=wanted.__getitem__), {}, low - gap
    for i in order:                                 # down, each below the one before ...
        last = places[i] = max(wanted[i], last + gap)
    last = high + gap
    for i in reversed(order):                       # ... and up again from the end
        last = places[i] = min(places[i], last - gap)
    return [places[i] for i in range(len(wanted))]

def bar_chart(title, x_label, bars, width=640):
    """bars: [(name, value, error or 0)], horizontal, each with its name before it and its value behind it."""
    names = [shorten(str(name), 0.42 * width) for name, *_ in bars]
    left = 24 + max(map(text_width, names))
    height = 84 + 28 * len(bars)
    X = Axis([value + sign * error for _, value, error in bars for sign in (-1, 1)], left, width - 70,
             from_zero=True)
    widest = 8 + max(text_width(format_number(tick)) for tick in X.ticks)
    step = math.ceil(widest * len(X.ticks) / (X.end - X.begin))         # so that the numbers do not touch
    elements = [svg_text((X.begin + X.end) / 2, height - 6, x_label, 'middle')]
    for tick in X.ticks[::step]:
        elements += [f'<line class="grid" x1="{X(tick)}" x2="{X(tick)}" y1="40" y2="{height - 44}"/>',
                     svg_text(X(tick), height - 26, format_number(tick), 'middle')]
    for i, (name, (_, value, error)) in enumerate(zip(names, bars)):
        y, (begin, end) = 44 + 28 * i, sorted((X(0), X(value)))
        elements += [svg_text(left - 8, y + 15, name, 'end'),
                     f'<rect class="bar" x="{begin}" y="{y}" width="{max(1, end - begin):.1f}" height="20" '
                     f'fill="{COLOURS[0]}"/>']
        if error:
            elements.append(f'<path class="whisker" d="M{X(value - error)},{y + 10}H{X(value + error)}'
                            f'm0,-5v10M{X(value - error)},{y + 5}v10"/>')
        number = f'{value:.4g}' if abs(value) < 1000 else f'{value:,.0f}'
        elements.append(svg_text(max(end, X(value + error)) + 6, y + 15, number))
    return svg_document(width, height, title, elements)

def heat_map(title, x_label, y_label, columns, rows, values, cell=30):
    """values[row][column] from 0 to 1 as squares, darker for more; the axes are named in the corner."""
    cell = max(20, min(cell, 900 // max(1, len(columns))))          # slanted names overlap below 20
    columns, rows = ([shorten(name, 190) for name in names] for names in (columns, rows))
    left = 20 + max(map(text_width, [f'{y_label} ↓', *rows]))
    slanted = [0.71 * text_width(name) for name in columns]         # as high, and as wide to the right
    right = max(size - cell * (len(columns) - c - 1) for c, size in enumerate(slanted))
    top = 56 + max(30, *slanted)
    width, height = left + cell * len(columns) + right, top + cell * len(rows) + 14
    elements = [f'<rect x="{left:.1f}" y="{top:.1f}" width="{cell * len(columns)}" '
                f'height="{cell * len(rows)}" fill="{COLOURS[0]}" fill-opacity="0.04"/>',
                svg_text(left - 8, top - 30, f'{x_label} →', 'end'),
                svg_text(left - 8, top - 10, f'{y_label} ↓', 'end')]
    for c, name in enumerate(columns):
        x, y = left + (c + 0.5) * cell, top - 6
        elements.append(svg_text(x, y, name, more=f' transform="rotate(-45 {x:.1f} {y:.1f})"'))
    for r, name in enumerate(rows):
        y = top + r * cell
        elements.append(svg_text(left - 8, y + cell / 2 + 5, name, 'end'))
        elements += [f'<rect class="cell" x="{left + c * cell:.1f}" y="{y:.1f}" width="{cell}" '
                     f'height="{cell}" fill="{COLOURS[0]}" fill-opacity="{value:.3f}">'
                     f'<title>{escape(name)} ← {escape(columns[c])}: {value:.3f}</title></rect>'
                     for c, value in enumerate(values[r]) if value >= 0.005]
    width = max(width, min(900, 30 + text_width(title, 18)))
    return svg_document(round(width), round(height), title, elements)

# -----------------------------------------------------------------------------
# the log

def read_log(out_dir):
    """log.jsonl -> a list of dicts, the header first; a last line that a kill cut short is left out."""
    path, log = f'{out_dir}/log.jsonl', []
    try:
        with open(path, 'rb') as file:
            lines = [line for line in file if line.endswith(b'\n')]
    except OSError:
        fail(f'no {path} to draw: run  python train.py --out_dir={out_dir}')
    for number, line in enumerate(lines or [''], 1):
        try:
            entry = json.loads(line)
            good = is_entry(entry) and entry['step'] >= log[-1].get('step', 0) if log else is_header(entry)
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
            good = False
        if not good:
            fail(f'{path} is damaged: line {number} is not what train.py writes after the lines before it; '
                 'keep only the good lines of one run, or delete the file')
        log.append(entry)
    return log

def is_header(entry):
    return isinstance(entry['config'], dict) and isinstance(entry.get('parameters', 0), int) and all(
        file['fingerprint'] for file in entry.get('data', {}).values())

def is_entry(entry):
    """Whether it has a step, other numbers, which may be infinite or NaN, and examples of three texts."""
    sizes = [abs(value) for key, value in entry.items() if key != 'examples']
    return isinstance(entry['step'], int) and all(
        [*map(type, texts)] == [str] * 3 for texts in entry.get('examples', [])) and not any(
        0 < size < 1e-99 or 1e99 < size < math.inf for size in sizes)

def history(log, key):
    """What was logged under a key: [(step, value)]."""
    return [(entry['step'], entry[key]) for entry in log if key in entry]

# -----------------------------------------------------------------------------
# the page of a run, and the chart of several

PAGE = '''<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>{refresh}
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1240px; padding: 12px }}
  h1 {{ font-size: 20px }} h2 {{ font-size: 16px; margin-top: 28px }}
  .charts {{ display: grid; gap: 12px; grid-template-columns: repeat(auto-fit, minmax(min(360px, 100%), 1fr));
            margin-top: 16px }}
  .facts {{ display: flex; flex-wrap: wrap; gap: 4px 28px }} .facts b {{ font-size: 20px; display: block }}
  table {{ border-collapse: collapse; margin-bottom: 18px }} .settings {{ columns: 340px; font-size: 13px }}
  td {{ padding: 1px 12px 1px 0; vertical-align: top; overflow-wrap: anywhere }}
  .history td:first-child {{ opacity: .65; white-space: nowrap }}
  ins {{ background: #4a45; text-decoration: none }} .paper {{ fill: none !important }}
  .charts svg {{ width: 100%; height: auto }}
</style></head><body>
<h1>{title}</h1>
<div class="facts">{facts}</div>
<div class="charts">{charts}</div>
<p>Both losses are cross entropy without label smoothing. In training dropout is on, and the loss is the mean
over the updates since the point before: so it begins above the validation loss. It falls below when the model
knows the sentences that it is trained on better than new ones.</p>
<h2>Translations of validation sentences, and the words that the row above does not have</h2>
<div class="history">{examples}</div>
<h2>Settings</h2><div class="settings">{settings}</div>
</body></html>
'''

def plot_dir_of(out_dir, plot_dir):
    """The folder for the pictures of a run: of two runs each has its own."""
    own = 'training_plots' if os.path.normpath(out_dir) == 'checkpoints' else f'{out_dir}/training_plots'
    return plot_dir or own

def draw_run(out_dir, plot_dir, running=False):
    """One run -> plot_dir/index.html and loss.svg; while it is running the page reloads itself."""
    log = read_log(out_dir)
    losses = [('training', history(log, 'loss')), ('validation', history(log, 'valid_loss'))]
    with atomic_write(f'{plot_dir}/loss.svg', 'w', encoding='utf-8') as file:
        file.write(line_chart('Loss while training', 'steps', 'nats a word', losses))
    def chart(title, y_label, key, **options):
        return line_chart(title, 'steps', y_label, [('', history(log, key))], 420, 280, **options)
    charts = [line_chart('Loss', 'steps', 'nats a word', losses, 420, 280),
              chart('BLEU on validation sentences', 'percent', 'valid_bleu', from_zero=True),
              chart('Learning rate', '', 'learning_rate', may_be_log=False),
              chart('Norm of the gradient', '', 'grad_norm'),
              chart('Speed', 'target words a second', 'tokens_per_second')]
    with atomic_write(f'{plot_dir}/index.html', 'w', encoding='utf-8') as file:
        file.write(PAGE.format(
            title=escape(f'nanoseq2seq: {out_dir}'), charts='\n'.join(charts), facts=facts_html(log, running),
            examples=examples_html(log), settings=settings_html(log[0]),
            refresh='<meta http-equiv="refresh" content="20">' if running else ''))

def facts_html(log, running):
    """The numbers that a reader looks for first."""
    latest = {key: value for entry in log for key, value in entry.items()}
    def show(key, form):
        return f'{latest[key]:{form}}' if key in latest else '–'
    losses = [loss for _, loss in history(log, 'valid_loss') if math.isfinite(loss)]
    facts = {'step': show('step', ','), 'best validation loss': f'{min(losses):.4f}' if losses else '–',
             'BLEU, greedy': show('valid_bleu', '.2f'),
             'target words a second': show('tokens_per_second', ',.0f'),
             'minutes left': show('minutes_left', ',.0f') if running else 'ended',
             'parameters': show('parameters', ','), 'drawn at': time.strftime('%H:%M:%S')}
    return ''.join(f'<div><b>{escape(value)}</b>{escape(name)}</div>' for name, value in facts.items())

def examples_html(log):
    """Each source with its reference and its outputs, at up to six evaluations, the early ones closer."""
    evaluations, tables = [entry for entry in log if entry.get('examples')], []
    n = len(evaluations)
    chosen = [evaluations[i] for i in sorted({round(n ** (k / 5)) - 1 for k in range(6) if n})]
    for triples in zip(*(entry['examples'] for entry in chosen)):           # one sentence at each evaluation
        (source, reference, _), before = triples[-1], triples[0][2].split()
        rows = {'source': escape(source), 'reference': escape(reference)}
        for entry, (_, _, output) in zip(chosen, triples):
            marked = [escape(word) if word in before else f'<ins>{escape(word)}</ins>'
                      for word in output.split()]
            rows[f'step {entry["step"]:,}'], before = ' '.join(marked), output.split()
        tables.append(table_html(rows))
    return ''.join(tables)

def table_html(rows):
    rows = ''.join(f'<tr><td>{escape(name)}</td><td>{text}</td></tr>' for name, text in rows.items())
    return f'<table>{rows}</table>'

def settings_html(header):
    """The settings of a run, and what it found: device, versions, fingerprints of the data."""
    data = {f'data: {name}': file['fingerprint'] for name, file in header.get('data', {}).items()}
    rows = {**header['config'], **header, **data}
    return table_html({key: escape(rows[key]) for key in rows if key not in ('config', 'data')})

def draw_runs(folders, by, plot_dir):
    """The validation losses of several runs, named by the settings that differ or by folder -> runs.svg."""
    logs, series = [read_log(folder) for folder in folders], []
    configs = [log[0]['config'] for log in logs]
    differing = [key for key in configs[0] if key not in ('out_dir', 'plot_dir', 'resume')
                 and any(config.get(key) != configs[0][key] for config in configs)]
    labels = [' '.join(f'{key}={config.get(key)}' for key in differing) for config in configs]
    if len(set(labels)) < len(labels) or max(map(text_width, labels)) > 300:        # too long for the chart
        start = os.path.commonprefix(folders).rfind('/') + 1
        labels = [folder[start:] for folder in folders]
    for label, log in zip(labels, logs):
        words, points = 0, []
        for entry in log[1:]:
            words += entry.get('words', 0)          # those since the line before
            x = dict(steps=entry['step'], tokens=words, hours=entry.get('minutes', math.nan) / 60)[by]
            points += [(x, entry['valid_loss'])] if 'valid_loss' in entry else []
        series.append((label, points))
    x_label = dict(steps='steps', tokens='target words seen', hours='hours')[by]
    with atomic_write(f'{plot_dir}/runs.svg', 'w', encoding='utf-8') as file:
        file.write(line_chart('Validation loss', x_label, 'nats a word', series, width=760))

# -----------------------------------------------------------------------------
# one sentence: its attention and its beam search

def load_and_encode(checkpoint, text):
    """-> the model, its target vocabulary, the words of the sentence, their ids (1, S), lengths (1,)."""
    model, source_vocab, target_vocab = load(checkpoint)
    words = split(normalise(text))
    if not 1 <= len(words) <= 200:
        fail(f'--text="..." must be a sentence of 1 to 200 words to be drawn, not {len(words)}')
    return model, target_vocab, words, *pad([source_vocab.look_up(words) + [EOS]])

def draw_attention(checkpoint, text, plot_dir):
    """
    The translation of a sentence and the attention at each of its words -> attention.svg, for a Transformer
    the mean over the heads of its last layer, and attention_head1.svg, ... for each of these.
    """
    model, target_vocab, words, source, lengths = load_and_encode(checkpoint, text)
    if model.config.attention == 'none':
        fail(f'{checkpoint} has no attention to draw: train with --attention=dot')
    with torch.inference_mode():
        tokens, _ = beam_search(model, source, lengths, max_lengths(model, lengths))    # (1, K, T)
        tokens = tokens[:, 0, :int((tokens[0, 0] != PAD).sum())]                        # (1, T)
        weights = attention_weights(model, source, lengths, tokens)                     # (1, T, S)
        output, = replace_unknowns(model, source, lengths, tokens, [words], target_vocab)
        pictures = {'attention': (to_text(output), weights[0])}
        if model.config.arch == 'transformer':
            for n, head in enumerate(attention_by_head(model, source, lengths, tokens), 1):
                pictures[f'attention_head{n}'] = f'{to_text(output)} (head {n})', head  # (T, S)
    columns, rows = ([word.strip(JOINER) or word for word in side] for side in ([*words, '<eos>'], output))
    for name, (title, values) in pictures.items():
        with atomic_write(f'{plot_dir}/{name}.svg', 'w', encoding='utf-8') as file:
            file.write(heat_map(title, 'source', 'translation', columns, rows, values.tolist()))
        print(f'wrote {plot_dir}/{name}.svg')

def attention_by_head(model, source, lengths, tokens):
    """The same as attention_weights() for each head of a Transformer's last layer: (n_head, T, S)."""
    found, cross_attn = [], model.decoder[-1].cross_attn
    def record(_, inputs):
        x, keys, _, mask = inputs
        found.append(cross_attn.attention_weights(x, keys, mask)[0])
    with cross_attn.register_forward_pre_hook(record):
        attention_weights(model, source, lengths, tokens)
    return found[0]

def draw_beam(checkpoint, text, beam_size, plot_dir):
    """
    The search for a translation as a tree -> beam.svg. From left to right the steps, from top to bottom the
    hypotheses of a step, the best first, each as its last word; those that were pruned stand lower.
    """
    model, target_vocab, _, source, lengths = load_and_encode(checkpoint, text)
    trace = []
    with torch.inference_mode():
        tokens, _ = beam_search(model, source, lengths, max_lengths(model, lengths), beam_size, trace=trace)
        greedy, _ = beam_search(model, source, lengths, max_lengths(model, lengths), 1)
    winner, greedy = ([i for i in found[0, 0].tolist() if i != PAD] for found in (tokens, greedy))
    step_width, row_height, elements = 130, 30, []
    ends = {(): (16.0, 64.0)}           # where a hypothesis ends and the curves to its continuations begin
    for t, candidates in enumerate(trace, 1):
        for rank, (ids, score, kept) in enumerate(candidates):
            x, y = 16 + step_width * t, 64 + row_height * (rank + 0.6 * (not kept))
            kind = 'winner' if ids == winner[:t] else 'greedy' if ids == greedy[:t] else \
                   'kept' if kept else 'pruned'
            x0, y0 = ends[tuple(ids[:-1])]
            elements.append(f'<path class="{kind}" d="M{x0:.0f},{y0:.0f}C{x0 + 60:.0f},{y0:.0f} '
                            f'{x - 60:.0f},{y:.0f} {x - 22:.0f},{y:.0f}"/>')
            word = shorten(target_vocab.words[ids[-1]].strip(JOINER) or JOINER, step_width - 34)
            elements.append(f'<text class="{kind}" x="{x - 18}" y="{y + 5:.0f}">{escape(word)}'
                            f'<title>{score:.3f} {escape(target_vocab.decode(ids))}</title></text>')
            ends[tuple(ids)] = x - 12 + text_width(word, 16 if kind == 'winner' else 14), y
    key = svg_text(12, 44, 'blue: the winner, red: what greedy decoding takes, dashed: pruned')
    width, height = max(540, 60 + step_width * (len(trace) + 1)), 100 + row_height * 2 * beam_size
    with atomic_write(f'{plot_dir}/beam.svg', 'w', encoding='utf-8') as file:
        file.write(svg_document(width, height, target_vocab.decode(winner), [key, *elements]))
    print(f'wrote {plot_dir}/beam.svg')

# -----------------------------------------------------------------------------

def main(given):
    folders = [folder.strip().rstrip('/') for folder in runs.split(',') if folder.strip()]
    for flag, good, problem in [
            ('by', by in ('steps', 'tokens', 'hours'), f'takes steps, tokens or hours, not {by!r}'),
            ('beam_size', 1 <= beam_size <= 100, 'is from 1 to 100 in a picture'),
            ('runs', folders, 'needs folders'), ('by', folders, 'needs --runs=...'),
            ('text', beam or attention, 'needs --attention or --beam'), ('beam_size', beam, 'needs --beam')]:
        if flag in given and not good:
            fail(f'--{flag} {problem}')
    folder = plot_dir_of(out_dir, plot_dir)
    if beam:
        draw_beam(f'{out_dir}/best.pt', text, beam_size, folder)
    if attention:
        draw_attention(f'{out_dir}/best.pt', text, folder)
    if folders:
        draw_runs(list(dict.fromkeys(folders)), by, folder)
        print(f'wrote {folder}/runs.svg')
    if not (beam or attention or folders):
        draw_run(out_dir, folder)
        print(f'wrote {folder}/index.html and {folder}/loss.svg')

if __name__ == '__main__':
    run_script(main, globals())
