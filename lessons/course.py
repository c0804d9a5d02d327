"""What the lessons share: the project's commands, run as a reader would type them, and their results."""
import signal                   # lessons import this file first
signal.signal(signal.SIGINT, signal.SIG_DFL)    # until main() runs, Ctrl-C ends in silence

import contextlib, io, os, pathlib, runpy, shlex, statistics, subprocess, sys, zlib
from unittest import mock

root = pathlib.Path(__file__).parent.parent
sys.path.insert(0, str(root))

import plot
from tokenizer import atomic_write, fail, run_script

TINY = dict(n_embd=16, n_hidden=32, batch_tokens=300, max_steps=2, max_minutes=0, eval_interval=2,
            eval_sentences=2, log_interval=1)

def run_lesson(main, script, **flags):
    """Configure the lesson, whose globals are `script`, and call main()."""
    toy, out_dir = script['data_dir'], script['out_dir']
    def start(given):
        configure(script, toy, out_dir, **flags)
        main()
    run_script(start, script, 'stopped; a training that has ended is not run again')

def configure(script, toy, out_dir, **flags):
    """Settings that follow from others; toy data if there are none, made with prepare.py's `flags`."""
    if smoke := script['smoke']:
        script.update(data_dir=toy.replace('toy', 'smoke'), seeds=1,
                      out_dir=script['out_dir'].replace('lesson', 'smoke'),
                      **{name: value for name, value in TINY.items() if name in script})
    elif script['data_dir'] != toy and script['out_dir'] == out_dir:        # beside the toy corpus's models
        script['out_dir'] += f'-{pathlib.Path(script["data_dir"]).name}'
    if not os.path.exists(f'{script["data_dir"]}/test.en.bin'):
        if not smoke and script['data_dir'] != toy:
            fail(f'{script["data_dir"]}/ has no data: prepare.py and tokenizer.py make it, see README.md')
        make_data(script['data_dir'], smoke, dataset='toy', **flags, **(dict(max_pairs=300) if smoke else {}))

def make_data(data_dir, smoke, vocabulary={}, **flags):
    """Run prepare.py with `flags` and tokenizer.py with those in `vocabulary`."""
    run('prepare.py', smoke, data_dir=data_dir, workers=int(smoke), **flags)
    run('tokenizer.py', smoke, data_dir=data_dir, workers=int(smoke), **vocabulary)

def write(path, lines):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with atomic_write(path, 'w', encoding='utf-8') as file:
        file.writelines(line + '\n' for line in lines)

def make_data_of(pairs, folder, langs, smoke, **flags):
    """The same for pairs of texts that a lesson has made itself. Returns the folder."""
    for lang, lines in zip(langs, zip(*pairs)):
        write(f'{folder}.{lang}', lines)
    make_data(folder, smoke, dataset='files', train_source=f'{folder}.{langs[0]}', source_lang=langs[0],
              train_target=f'{folder}.{langs[1]}', target_lang=langs[1], **flags)
    return folder

def run(script, smoke, **flags):
    """Show the command and run it; returns what it printed, or ends with its status where it fails."""
    command = [script, *(f'--{name}={value}' for name, value in flags.items())]
    print('\n$ python', *map(shlex.quote, command), flush=True)
    command[0] = str(root / script)
    if not smoke:
        return run_process([sys.executable, '-u', *command])
    printed = io.TextIOWrapper(io.BytesIO(), 'utf-8')   # a new process would load torch first, for seconds
    with mock.patch('sys.argv', command), contextlib.redirect_stdout(printed):
        runpy.run_path(command[0], run_name='__main__')
    printed.seek(0)
    return printed.read()

def run_process(command):
    """Show what the command prints, line by line, and return it; where it fails, end with its status."""
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding='utf-8',
                          start_new_session=True) as process:       # Ctrl-C reaches this process alone
        try:
            for line in process.stdout:
                print(line, end='', flush=True)
                lines.append(line)
        except KeyboardInterrupt:
            process.kill()              # nothing of a run that has not ended is used
            raise
    if process.returncode:
        raise SystemExit(process.returncode)
    return ''.join(lines)

def train(out_dir, smoke, **flags):
    """Run train.py, unless the same command with the same code and data has ended before; returns its log."""
    flags = {**flags, 'out_dir': out_dir, 'plot': False, **(TINY if smoke else {})}
    data, done = pathlib.Path(flags['data_dir']), pathlib.Path(out_dir, 'done.txt')
    inputs = root / 'model.py', root / 'train.py', data / 'meta.json', *sorted(data.glob('vocab.*.txt'))
    command = f'{flags} {[zlib.crc32(path.read_bytes()) for path in inputs]}'
    if not done.exists() or done.read_text(encoding='utf-8') != command:
        done.unlink(missing_ok=True)
        again = dict(overwrite=True) if os.path.exists(f'{out_dir}/log.jsonl') else {}
        run('train.py', smoke, **flags, **again)
        done.write_text(command, encoding='utf-8')
    return plot.read_log(out_dir)

def best_loss(log):
    return min(entry['valid_loss'] for entry in log if 'valid_loss' in entry)

def evaluate(out_dir, data_dir, smoke, **flags):
    """The test set's scores, {'BLEU': 33.1, ...}. Unknown words stay: only attention replaces them."""
    flags = {'evaluate': 'valid' if smoke else 'test', 'replace_unknown': False, **flags,
             **(dict(max_length=1) if smoke else {})}
    return values(run('sample.py', smoke, checkpoint=f'{out_dir}/best.pt', data_dir=data_dir, **flags))

def values(printed):
    """The numbers among the lines `key value`."""
    pairs = (line.split(' ', 1) for line in printed.splitlines() if line.count(' ') == 1)
    return {key: float(value) for key, value in pairs if not key.endswith('signature')}

def spread(numbers):
    """[33.1, 33.5, 32.9] -> '33.17 ± 0.31': the mean and the standard deviation of several seeds."""
    return ' ± '.join(f'{of(numbers):.2f}' for of in (statistics.mean, statistics.stdev)[:len(numbers)])

def table(headings, rows):
    """Print a table in Markdown; floats with two digits."""
    print()
    for row in [headings, ['---'] * len(headings), *rows]:
        print('|', ' | '.join(f'{cell:.2f}' if isinstance(cell, float) else str(cell) for cell in row), '|')

def save(path, svg):
    write(path, [svg])
    print(f'\ndrew {path}')
