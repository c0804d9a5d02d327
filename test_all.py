"""
All tests, as many at once as there are cores: no network, no GPU, no data, four minutes on two cores.

    python test_all.py
    python test_all.py beam          (only the tests with "beam" in their name)
"""
import ast, bz2, collections, contextlib, dataclasses, gzip, http.server, importlib.util, io, itertools
import json, lzma, math, os, pathlib, random, re, runpy, shutil, signal, subprocess, sys, tarfile, tempfile
import threading, time, traceback, tracemalloc, unittest.mock, xml.etree.ElementTree, zipfile
from concurrent.futures import ProcessPoolExecutor, as_completed

os.environ['OMP_NUM_THREADS'] = '1'         # so small are these models that threads only wait for one another

import numpy as np
import torch
import torch.distributed.run

import model, plot, prepare, sample, tokenizer, train
from lessons import grammar
from model import Config, LSTMFunction, LinearCrossEntropy, ScratchRNN, RecurrentSeq2Seq, build
from tokenizer import BOS, EOS, PAD, UNK, Vocabulary

here = pathlib.Path(__file__).resolve().parent
work = tempfile.TemporaryDirectory()                    # everything that the tests write

# there is no GPU, whatever the machine has, and whoever asks the network hears that nobody is there
ALONE = {'PYTHONUTF8': '1', 'CUDA_VISIBLE_DEVICES': '',
         'http_proxy': 'http://127.0.0.1:9', 'https_proxy': 'http://127.0.0.1:9', 'no_proxy': 'localhost'}

def run(command, input=None, status=0):
    """Run a command line of ours as a user would, in the working folder. Returns its stdout and stderr."""
    script, *arguments = command if isinstance(command, list) else command.split()
    done = subprocess.run([sys.executable, str(here / script), *arguments], cwd=work.name, input=input,
                          timeout=280, capture_output=True, text=True, encoding='utf-8',
                          env={**os.environ, **ALONE})
    printed = f'{done.stdout[-2000:]}\n{done.stderr[-2000:]}'
    assert done.returncode == status, f'{command}: status {done.returncode}\n{printed}'
    return done.stdout, done.stderr

def run_forked(command, input):
    """As run(), in a fork of this process, which has imported torch already: there are many such runs."""
    script, *arguments = command if isinstance(command, list) else command.split()
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]   # stdin, stdout, stderr
        files[0].write((input or '').encode())
        files[0].seek(0)
        pid = os.fork()
        if pid == 0:
            for number, file in enumerate(files):
                os.dup2(file.fileno(), number)
            sys.stdin, sys.stdout, sys.stderr = (open(number, mode, encoding='utf-8')
                                                 for number, mode in enumerate('rww'))
            os.chdir(work.name)
            os.environ.update(ALONE)
            sys.argv, status = [script, *arguments], 0
            try:
                runpy.run_path(str(here / script), run_name='__main__')
            except SystemExit as end:
                status = end.code
            except BaseException:               # the child must not go on with the tests: shown, and status 1
                status = traceback.print_exc() or 1
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status or 0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, *(file.seek(0) or file.read().decode() for file in files[1:])

def refused(command, *words, input=None):
    """A mistake of the user's: status 2 and one line that says what to do."""
    if hasattr(os, 'fork'):
        status, out, err = run_forked(command, input)
        assert status == 2, f'{command}: status {status}\n{out[-2000:]}\n{err[-2000:]}'
    else:
        _, err = run(command, input, status=2)
    assert err.count('\n') == 1 and 'Traceback' not in err, err
    for word in words:
        assert word in err, f'{word!r} is not in {err!r}'

def write(name, content):
    path = pathlib.Path(work.name, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)

# -----------------------------------------------------------------------------
# the tokenizer

def test_split_example():
    """A sentence, its words, and the sentence again."""
    text = '"Don\'t!" the man\'s hard-working friend said ... L\'été coûte 1,000.50 €.'
    words = ['"￭', 'Don', "￭'t", '￭!', '￭"', 'the', 'man', "￭'s", 'hard', '￭-￭', 'working', 'friend',
             'said', '...', "L'￭", 'été', 'coûte', '1,000.50', '€', '￭.']
    assert tokenizer.split(text) == words
    assert tokenizer.join(words) == text

def test_split_can_be_undone():
    for text in ['', 'a', '...', '"', "'tis o'clock", "rock'n'roll's", '(("nested")) [x]{y}', '_a_b',
                 'A.B.C. e.g. http://a.b/c?d=e&f=g', '3. Mai 2018, 10:30 Uhr', '--- a -- b - c–d',
                 "''quoted''", 'x,y;z:1,2', '￭ stray ￭marks￭', 'Ἀχιλλεύς नमस्ते 日本語。',
                 'a  b\tc\u00a0d\u2028e', "l'homme qu'il aujourd'hui", 'ﬁ e\u0301', '<unk> <s> &amp; 100%']:
        clean = tokenizer.normalise(text)
        assert tokenizer.join(tokenizer.split(clean)) == clean, text

def test_normalise():
    assert tokenizer.normalise(' a\u00a0\tb\u0085c\rd\u2028e\u00adf\u200b\ufeff ') == 'a b c d ef'
    assert tokenizer.normalise('u\u0308') == 'ü'
    for mark in '\u061c\u2060\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069':      # of direction, no text
        assert tokenizer.normalise(f'{mark}שלום עולם{mark}') == 'שלום עולם', f'{ord(mark):x}'
    for word in 'می\u200cخواهم', 'क्\u200dष':               # these belong to the word, which stays whole
        assert tokenizer.split(tokenizer.normalise(word + '!')) == [word, '￭!']

def test_vocabulary():
    counts = [('b', 3), ('a', 3), ('c', 5), ('d', 1)]
    vocab, all_counts = tokenizer.build_vocabulary(counts, size=7, min_count=2)
    assert all_counts.tolist() == [5, 3, 3, 1]
    assert vocab == [('<pad>', 0), ('<unk>', 1), ('<bos>', 0), ('<eos>', 0), ('c', 5), ('a', 3), ('b', 3)]
    small, _ = tokenizer.build_vocabulary(counts, size=5, min_count=1)
    assert small == [('<pad>', 0), ('<unk>', 7), ('<bos>', 0), ('<eos>', 0), ('c', 5)]
    words = Vocabulary(word for word, _ in vocab)
    assert words.encode('c a d') == [4, 5, UNK]
    assert words.decode([BOS, 4, 5, UNK, EOS, PAD]) == 'c a <unk>'

def test_counting_words_in_little_memory():
    """The same counts whether all words fit in memory or all but two wait on the disk."""
    text = random.Random(0).choices('a b, c. d! ä ￭e f-g'.split(), k=200)
    blocks = [' '.join(text[n:n + 10]).encode() for n in range(0, 200, 10)]
    counts = [dict(tokenizer.add_counts((tokenizer.count_words(b)[1:] for b in blocks), work.name, most))
              for most in (2, 1000)]
    assert counts[0] == counts[1] == collections.Counter(tokenizer.split(' '.join(text)))

def test_ids_on_disk_and_what_is_refused():
    folder = pathlib.Path(work.name, 'ids')
    meta = {'source_lang': 'de', 'target_lang': 'en', 'files': {}}
    texts = {'train.de': 'ja ja nein\nja\n', 'valid.de': 'nein\n', 'test.de': 'ja\n',
             'train.en': 'yes yes no\nyes\n', 'valid.en': 'no\n', 'test.en': 'yes\n'}
    for name, text in texts.items():
        path = write(f'ids/{name}', text)
        meta['files'][name] = {'sentences': text.count('\n'), 'fingerprint': tokenizer.fingerprint(path)}
    write('ids/meta.json', json.dumps(meta))
    refused('train.py --data_dir=ids --out_dir=ids/out', 'python tokenizer.py --data_dir=ids')
    run('tokenizer.py --data_dir=ids --min_count=1')
    ids, offsets = tokenizer.read_ids(str(folder), 'train', 'de', meta)
    assert ids.tolist() == [4, 4, 5, 4] and offsets.tolist() == [0, 3, 4]
    write('ids/vocab.de.txt', (folder / 'vocab.de.txt').read_text().replace('ja', 'doch'))
    refused('train.py --data_dir=ids --out_dir=ids/out', 'another vocabulary', 'python tokenizer.py')
    run('tokenizer.py --data_dir=ids --min_count=1')
    meta['files']['train.de']['fingerprint'] = 'of another text!'
    write('ids/meta.json', json.dumps(meta))
    refused('train.py --data_dir=ids --out_dir=ids/out', 'older train.de', 'python tokenizer.py')
    refused('tokenizer.py --data_dir=ids', 'train.de', 'python prepare.py')

def test_damaged_ids_are_refused():
    """Any byte of any .bin file, changed, is noticed; and so is each mixture of two runs of tokenizer.py."""
    folder = pathlib.Path(work.name, 'flip')
    for lang, words in ('de', 'eins zwei drei vier'), ('en', 'one two three four'):
        for split in tokenizer.SPLITS:
            write(f'flip/{split}.{lang}', words + '\n' + words[:4] + '\n')
    meta = {'source_lang': 'de', 'target_lang': 'en',
            'files': {path.name: {'sentences': 2, 'fingerprint': tokenizer.fingerprint(path)}
                      for path in folder.iterdir()}}
    write('flip/meta.json', json.dumps(meta))
    states = []
    for options in '--min_count=1', '--min_count=1 --max_source_vocab=6 --max_target_vocab=6':
        run(f'tokenizer.py --data_dir=flip --workers=1 {options}')
        states.append({name: (folder / name).read_bytes() for name in os.listdir(folder) if name[0] != '.'})
    def is_refused():
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                for split, lang in itertools.product(tokenizer.SPLITS, ('de', 'en')):
                    tokenizer.read_ids(str(folder), split, lang, meta)
            except SystemExit as end:
                return end.code == 2
    assert not is_refused()
    whole = states[1]['train.de.bin']
    for i in range(len(whole)):
        (folder / 'train.de.bin').write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1:])
        assert is_refused(), i
    changed = sorted(name for name in states[0] if states[0][name] != states[1][name])
    assert len(changed) == 8
    for n_new in range(1, 8):                   # renamed one after the other, and killed in between
        for i, name in enumerate(changed):
            (folder / name).write_bytes(states[i < n_new][name])
        assert is_refused(), changed[:n_new]

def test_command_line():
    script = write('script.py', f'''"""says what it was told"""
import sys; sys.path.insert(0, {str(here)!r})
from tokenizer import parse_command_line
text = 'a'     # some text
rate = 0.5     # some number
steps = 10     # some whole number
plot = True    # some switch
given = parse_command_line(globals())
print([text, rate, steps, plot], given)
''')
    for arguments, expected in [
            ([], "['a', 0.5, 10, True] []"),
            (['--text=2024', '--rate', '1'], "['2024', 1.0, 10, True] ['text', 'rate']"),
            (['--plot=false', '--steps=3'], "['a', 0.5, 3, False] ['plot', 'steps']"),
            (['--plot', '--text='], "['', 0.5, 10, True] ['plot', 'text']"),
            (['--plot', 'false', '--text', 'a=b c'], "['a=b c', 0.5, 10, False] ['plot', 'text']")]:
        assert run([script, *arguments])[0].strip() == expected, arguments
    help, _ = run([script, '--help'])
    assert '--rate=0.5' in help and 'some switch' in help
    refused([script, '--stps=3'], '--steps')
    refused([script, '--steps=many'], 'whole number', 'many')
    refused([script, '--steps=-3'], '-3')
    refused([script, '--rate=nan'], 'nan')
    refused([script, '--steps'], 'value')
    refused([script, 'steps=3'], 'steps=3')
    for number in '9' * 19, '1' + '0' * 40:             # beyond the range of torch's and numpy's numbers
        refused([script, f'--steps={number}'], '--steps takes a whole number from 0 to 1e+12')
    refused([script, '--rate=1e39'], '--rate takes a number from 0 to 1e+12')
    refused([script, '--text=Der', 'alte', 'Mann'], '--text="..."')
    for flag, right in [('train.py --lr=1', '--learning_rate'), ('train.py --epochs=3', '--max_epochs'),
                        ('train.py --max_source_vocab=9', 'tokenizer.py'), ('sample.py --dataset=toy', 'prepare.py'),
                        ('tokenizer.py --lexicon_pairs=0', 'gone'), ('plot.py --hidden=3', '--help')]:
        refused(flag, right)

def test_ctrl_c_while_torch_loads_leaves_no_traceback():
    for library in 'numpy', 'torch', 'regex':           # which take a long time to load here
        write(f'slow/{library}.py', 'import time; print("loading", flush=True); time.sleep(60)')
    for script in [*(f'{name}.py' for name in SCRIPTS), 'lessons/04_attention.py']:
        process = subprocess.Popen([sys.executable, str(here / script)], text=True, cwd=work.name,
                                   env={**os.environ, 'PYTHONPATH': f'{work.name}/slow'},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline() == 'loading\n'
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[1] == '' and process.returncode == -signal.SIGINT, script

def test_standard_streams_that_are_closed_or_full():
    """A script started without them works; where they are full it ends in a line, never in a traceback."""
    script = write('prints.py', f'''import sys; sys.path.insert(0, {str(here)!r})
from tokenizer import run_script
n = 100000     # lines
def main(given):
    for i in range(n): print(i)
run_script(main, globals())
''')
    for redirection, status, said in [('>&-', 0, ''), ('<&- >/dev/null', 0, ''), ('>&- 2>&-', 0, ''),
                                      ('>/dev/full', 2, 'standard output: No space left on device\n')]:
        done = subprocess.run(f'"{sys.executable}" "{script}" {redirection}', shell=True, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (status, said), (redirection, done)
    done = subprocess.run(f'"{sys.executable}" "{script}" | head -1', shell=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ('0\n', ''), done

def test_replacing_leaves_the_old_or_the_new():
    path = write('whole.txt', 'old')
    with contextlib.suppress(KeyboardInterrupt), tokenizer.atomic_write(path, 'w') as file:
        file.write('half')
        raise KeyboardInterrupt
    assert open(path).read() == 'old' and not list(pathlib.Path(work.name).glob('whole.txt.*'))

# -----------------------------------------------------------------------------
# the model

SIZES = dict(source_vocab=20, target_vocab=17, n_embd=96, n_hidden=96, dropout=0.0)

def random_batch(lengths=(5, 2, 7), target_lengths=(4, 6, 1), seed=0):
    """source (B, S), lengths (B,), target_in (B, T), target_out (B, T), padded."""
    generator = torch.Generator().manual_seed(seed)
    def words(n, V):
        return torch.randint(4, V, (n,), generator=generator).tolist()
    source, lengths = sample.pad([words(n, 20) + [EOS] for n in lengths])
    target, _ = sample.pad([[BOS] + words(n, 17) + [EOS] for n in target_lengths])
    return source, lengths, target[:, :-1].masked_fill(target[:, :-1] == EOS, PAD), target[:, 1:]

def variants():
    """Every Config that makes sense: a cell or an attention that is added to model.py is among them."""
    switch, scratch = [False, True], [(False, False), (True, False), (True, True)]
    attention = [(kind, feeding) for kind in model.ATTENTIONS for feeding in switch
                 if not (feeding and kind in ('none', 'additive'))]
    for cell, (by_hand, manual), (attention, feeding), both_ways, reverse, n_layer in itertools.product(
            model.CELLS, scratch, attention, switch, switch, [1, 2, 3]):
        if (cell == 'lstm' or not manual) and (by_hand or cell in model.TORCH_CELLS):
            yield Config(cell=cell, scratch=by_hand, manual_backward=manual, attention=attention,
                         input_feeding=feeding, bidirectional=both_ways, reverse_source=reverse,
                         n_layer=n_layer, tied=n_layer != 2, **SIZES)
    for n_layer, tied in itertools.product([1, 2, 3], switch):
        yield Config(arch='transformer', n_layer=n_layer, tied=tied, **SIZES)

def run_torchs(network, x, lengths):
    """A network of torch's with the outputs of ours: every h (B, S, H), N states."""
    x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, state = network(x)
    y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
    return y, state if isinstance(state, tuple) else (state,)

def test_cells_by_hand_are_torchs():
    """Outputs, final states and all gradients, with padding, each depth and direction."""
    kinds = [('rnn', torch.nn.RNN, False), ('gru', torch.nn.GRU, False), ('lstm', torch.nn.LSTM, False),
             ('lstm', torch.nn.LSTM, True)]
    precisions = (torch.double, 1e-10), (torch.float, 1e-5)
    for (cell, kind, manual), n_layer, both_ways, (dtype, tolerance) in itertools.product(
            kinds, [1, 2, 3], [False, True], precisions):
        torch.manual_seed(n_layer)
        theirs = kind(5, 7, n_layer, batch_first=True, bidirectional=both_ways).to(dtype)
        ours = ScratchRNN(cell, 5, 7, n_layer, bidirectional=both_ways, manual=manual).to(dtype)
        ours.load_state_dict(theirs.state_dict())
        theirs.load_state_dict(ours.state_dict())               # and back: the same names and shapes
        lengths, results = torch.randint(1, 10, (4,)), []
        for network in ours, theirs:
            x = torch.linspace(-1, 1, 4 * 9 * 5, dtype=dtype).sin().view(4, 9, 5)[:, :lengths.max()]
            x = x.clone().requires_grad_()
            y, state = network(x, lengths=lengths) if network is ours else run_torchs(network, x, lengths)
            (y.sin().sum() + sum((s * s).sum() for s in state)).backward()
            results.append([y, *state, x.grad, *(p.grad for _, p in sorted(network.named_parameters()))])
        for one, other in zip(*results):
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance)

def test_backpropagation_through_time_by_hand():
    """Against differences."""
    torch.manual_seed(0)
    inputs = [torch.randn(*shape, dtype=torch.double, requires_grad=True)
              for shape in ((4, 3, 8), (8, 2), (3, 2), (3, 2))]
    assert torch.autograd.gradcheck(LSTMFunction.apply, inputs)

def check_variant(config):
    """What must be true of every model; returns '' or what is not."""
    torch.manual_seed(0)
    batch = source, lengths, target_in, target_out = random_batch((3, 1, 4), (3, 4, 1))
    net, differ = build(config), []
    def same(one, other, what):
        if not torch.allclose(one, other, rtol=0, atol=1e-5):
            differ.append(what)
    logits, memory = net(*batch[:3]), net.encode(source, lengths)                      # (B, T, V)
    weights = net.eval().decode(target_in, memory, net.init_decoder_state(memory, 1))[1]              # (B, T, S)
    for i, (n, m) in enumerate(zip(lengths, (target_out != PAD).sum(1))):
        alone = net(source[i:i + 1, :n], lengths[i:i + 1], target_in[i:i + 1, :m])
        same(logits[i, :m], alone[0], 'padding changes the result')
    attends = config.attention != 'none'
    same(weights.sum(-1), torch.full((3, 5), float(attends)), 'attention does not sum to one')
    if weights[1, :, 2:].any():
        differ.append('attention on padding')
    state = net.init_decoder_state(memory, 2)
    for t in range(target_in.shape[1]):
        by_step, state, seen = net.decode_step(target_in[:, t].repeat_interleave(2), state, memory)
        same(by_step.view(3, 2, -1)[:, 1], logits[:, t], 'decoding is not teacher forcing')
        same(seen.view(3, 2, -1)[:, 1], weights[:, t], 'its attention is not that of teacher forcing')
    changed = target_in.clone()
    changed[:, -1] = 4
    same(net(source, lengths, changed)[:, :-1], logits[:, :-1], 'a later word changes an earlier step')
    loss, plain = net.train().loss(*batch)
    if config.arch == 'seq2seq' and abs(plain.item() - math.log(17)) > 0.25:
        differ.append(f'the first loss {plain:.2f} is not near ln V')
    loss.backward()
    differ += [f'no gradient for {name}' for name, parameter in net.named_parameters()
               if parameter.grad is None or not parameter.grad.abs().sum() > 0]
    if config.scratch:                                  # the gradients of torch's cells, which learn below
        return describe(config, differ)
    rate = dict(lstm=0.025, gru=0.015, rnn=0.01)[config.cell] if config.arch == 'seq2seq' else 0.006
    optimizer = torch.optim.Adam(net.parameters(), rate, betas=(0.9, 0.95), fused=True)
    for step in range(60):
        optimizer.param_groups[0]['lr'] = rate * min(1, (step + 1) / 10, (60 - step) / 30)
        optimizer.zero_grad()
        loss, plain = net.loss(*batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        if plain < 0.1:
            break
    else:
        differ.append(f'60 steps do not learn a batch by heart: {plain:.2f}')
    return describe(config, differ)

def describe(config, differ):
    return f'{config}: {", ".join(sorted(set(differ)))}' if differ else ''

def test_first_loss_of_the_transformer():
    """Near ln V. With tied words it first says again what it has read: much among 17, little among 25,000."""
    V, generator = 25000, torch.Generator().manual_seed(0)
    source, target = torch.randint(4, V, (2, 16, 12), generator=generator)              # (B, S), (B, T)
    for n_layer, tied in itertools.product([1, 2, 6], [False, True]):
        torch.manual_seed(0)
        net = build(Config(V, V, arch='transformer', n_layer=n_layer, tied=tied, n_embd=256, dropout=0.0))
        _, plain = net.loss(source, torch.full((16,), 12), target[:, :-1], target[:, 1:])
        assert abs(plain.item() - math.log(V)) < 0.25, (n_layer, tied, plain)

def test_every_combination():
    """Padding, attention, causality, decoding, gradients, the first loss, and learning by heart."""
    faults = [fault for fault in tokenizer.parallel_map(check_variant, variants(), 2) if fault]
    assert not faults, '\n'.join(faults[:5])

def test_combinations_that_make_no_sense():
    for flags, word in [('--arch=lstm', 'transformer'), ('--cell=cnn', 'gru'), ('--attention=a', 'additive'),
                        ('--arch=transformer --cell=gru --reverse_source', '--cell, --reverse_source'),
                        ('--input_feeding --attention=none', 'dot'), ('--manual_backward', '--scratch'),
                        ('--input_feeding --attention=additive', 'dot'), ('--n_hidden=5', 'halved'),
                        ('--arch=transformer --n_head=5', '--n_head=5')]:
        with contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                flags = [flag[2:].partition('=') for flag in flags.split()]
                kinds = {name: int if name[:2] == 'n_' else str for name, *_ in flags}
                given = {name: kinds[name](value) if value else True for name, _, value in flags}
                Config(**{**SIZES, **given})
                raise AssertionError(flags)
            except SystemExit as end:
                assert end.code == 2 and word in err.getvalue(), err.getvalue()

def test_sutskevers_model_has_its_size():
    """384 million parameters, 64 million of them recurrent (Sutskever et al. 2014, section 3.4)."""
    with torch.device('meta'):
        net = build(Config(160000, 80000, n_layer=4, n_embd=1000, n_hidden=1000, attention='none', tied=False,
                           bidirectional=False, reverse_source=True))
    sizes = {name: parameter.numel() for name, parameter in net.named_parameters() if 'bias' not in name}
    assert sum(sizes.values()) == 384_000_000
    assert sum(n for name, n in sizes.items() if name.startswith(('encoder', 'decoder'))) == 64_000_000

def test_scratch_and_torch_share_checkpoints():
    batch = random_batch()[:3]
    for cell, scratch in itertools.product(['lstm', 'gru', 'rnn'], [False, True]):
        one, other = (build(Config(cell=cell, scratch=s, n_layer=2, **SIZES)) for s in (scratch, not scratch))
        other.load_state_dict(one.state_dict())
        torch.testing.assert_close(one(*batch), other(*batch), rtol=0, atol=1e-5)

def test_reversed_source():
    """The encoder reads the last word first and <eos> last; attention sees each at its place."""
    plain, turned = (build(Config(bidirectional=False, reverse_source=r, **SIZES)) for r in (False, True))
    turned.load_state_dict(plain.state_dict())
    there, back = torch.tensor([[4, 5, 6, EOS]]), torch.tensor([[6, 5, 4, EOS]])
    one, other = plain.encode(back, torch.tensor([4])), turned.encode(there, torch.tensor([4]))
    torch.testing.assert_close(one.final_state, other.final_state)
    torch.testing.assert_close(one.outputs[:, [2, 1, 0, 3]], other.outputs)

def test_output_loss_is_cross_entropy():
    torch.manual_seed(0)
    targets = torch.randint(0, 11, (600,))                                        # more than two slices
    shapes = (600, 3), (11, 3), (11,)
    inputs = x, weight, bias = [torch.randn(s, dtype=torch.double, requires_grad=True) for s in shapes]
    loss, plain = LinearCrossEntropy.apply(x, weight, bias, targets, 0.1)
    logits = torch.nn.functional.linear(x, weight, bias)
    expected = torch.nn.functional.cross_entropy(logits, targets, label_smoothing=0.1)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits, targets))
    for ours, theirs in zip(torch.autograd.grad(3 * loss, inputs), torch.autograd.grad(3 * expected, inputs)):
        torch.testing.assert_close(ours, theirs)

def test_dropout_has_one_mask_a_sentence():
    x = model.VariationalDropout(0.5)(torch.ones(2, 3, 64))                              # (B, T, E)
    assert (x == x[:, :1]).all() and (x[0] != x[1]).any() and x.unique().tolist() == [0, 2]

# -----------------------------------------------------------------------------
# training

def test_batches():
    random = np.random.default_rng(0)
    source, target = random.integers(1, 90, 3000), random.integers(1, 90, 3000)
    offsets = [np.concatenate([[0], np.cumsum(lengths)]) for lengths in (source, target)]
    epochs = [train.make_batches(np.arange(3000), *offsets, 500, np.random.default_rng(seed))
              for seed in (1, 1, 2)]
    for batches in epochs:
        assert sorted(np.concatenate(batches)) == list(range(3000))                # every sentence, once
        assert all(len(b) * (target[b].max() + 1) <= 500 for b in batches)
        real = sum((target[b] + 1).sum() for b in batches)
        assert sum(len(b) * (target[b].max() + 1) for b in batches) < 1.1 * real   # little padding
    assert all((a == b).all() for a, b in zip(*epochs[:2])) and len(epochs[0]) == len(epochs[2])
    assert not all(len(a) == len(b) and (a == b).all() for a, b in zip(epochs[0], epochs[2]))
    one = np.arange(1), np.array([0, 3]), np.array([0, 900])                       # longer than a batch
    alone, = train.make_batches(*one, 500, np.random.default_rng(0))
    assert alone.tolist() == [0]

def test_batches_go_on_where_they_stopped():
    """Each pair once an epoch, in another order each time; a position is enough to go on from."""
    n = train.SHARD + 5000                                                         # two shards
    offsets = np.concatenate([[0], np.cumsum(np.random.default_rng(0).integers(1, 90, n))])
    endless, orders = train.iterate_batches((0, 0, []), offsets, offsets), []
    whole = list(itertools.takewhile(lambda batch: batch[2] <= 2, endless))
    for epoch in 0, 1:
        orders.append(np.concatenate([indices for indices, _, done in whole if epoch < done <= epoch + 1]))
        assert (np.sort(orders[epoch]) == np.arange(n)).all()
    assert (orders[0] != orders[1]).any() and whole[-1][2] == 2
    seen = np.cumsum([len(indices) for indices, _, _ in whole]) / n
    assert max(abs(seen - [done for _, _, done in whole])) < 0.03                  # the last shard is short
    first = [indices for indices, (epoch, shard, _), _ in whole if (epoch, shard) == (0, 0)]
    assert len(np.unique(np.concatenate(first) // train.CHUNK)) == train.SHARD // train.CHUNK
    for step in 5, len(first) - 1, len(first), len(whole) // 2 + 5:
        rest = train.iterate_batches(whole[step][1], offsets, offsets)
        for (one, *position), (other, *same_position) in zip(whole[step + 1:step + 4], rest):
            assert (one == other).all() and position == same_position

def test_every_pair_comes_once_an_epoch_whatever_the_batch_size():
    """A run stopped anywhere and resumed with batches of other sizes; its epoch never goes back or jumps."""
    rng, n = np.random.default_rng(0), train.SHARD + 3000
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 90, n))])
    for sizes in [1500, 750, 3000], [200000, 1500], [3000, 3000, 750, 1500, 750]:
        position, seen, epoch = (0, 0, []), [], 0.0
        for i, size in enumerate(sizes):
            stop = rng.integers(1, 30) if i < len(sizes) - 1 else 10 ** 9
            with flags(batch_tokens=size, grad_accum=1):
                batches = train.iterate_batches(position, offsets, offsets)
                for indices, position, done in itertools.islice(batches, stop):
                    if done > 2:
                        break
                    assert epoch < done < epoch + 0.05, (sizes, i, epoch, done, position)
                    epoch = done
                    seen.append(indices)
        seen = np.concatenate(seen)
        assert len(seen) == 2 * n
        for order in seen[:n], seen[n:]:
            assert (np.sort(order) == np.arange(n)).all(), sizes

def test_training_starts_at_once_on_38_million_pairs():
    offsets = np.arange(38_000_001, dtype='<i8') * 25
    tracemalloc.start()
    began = time.time()
    indices, *_ = next(train.iterate_batches((0, 0, []), offsets, offsets))
    assert len(indices) == train.batch_tokens // 26 and time.time() - began < 5
    assert tracemalloc.get_traced_memory()[1] < 0.1e9
    tracemalloc.stop()

def test_a_batch():
    source = np.array([4, 5, 6]), np.array([0, 1, 3])                              # two sentences: 4 | 5 6
    target = np.array([7, 8, 9]), np.array([0, 2, 3])                              # in translation: 7 8 | 9
    *tensors, n_words = train.to_batch(np.array([1, 0]), source, target, 'cpu')
    source, lengths, target_in, target_out = (tensor.tolist() for tensor in tensors)
    assert source == [[5, 6, EOS], [4, EOS, PAD]] and lengths == [3, 2] and n_words == 5
    assert target_in == [[BOS, 9, PAD], [BOS, 7, 8]] and target_out == [[9, EOS, PAD], [7, 8, EOS]]

def test_validation_loss_is_the_mean_over_words():
    """Whatever the batches; and without dropout, which is on again afterwards."""
    random = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(random.integers(1, 60, 80))])
    side = random.integers(4, 17, offsets[-1]), offsets
    net = RecurrentSeq2Seq(Config(**{**SIZES, 'dropout': 0.5}))
    found = train.evaluate(net.train(), side, side, 'cpu', torch.float32)
    assert net.training
    batches = [train.to_batch(np.array([i]), side, side, 'cpu') for i in range(80)]
    total = sum(net.eval().loss(*batch)[1].item() * n_words for *batch, n_words in batches)
    assert abs(found - total / (offsets[-1] + 80)) < 1e-5

def gradients(net, backward):
    net.zero_grad()
    backward()
    return [parameter.grad.clone() for parameter in net.parameters()]

@contextlib.contextmanager
def flags(**values):
    """train.py's globals for a while."""
    before = {name: getattr(train, name) for name in values}
    vars(train).update(values)
    try:
        yield
    finally:
        vars(train).update(before)

def test_truncated_backpropagation():
    """Segments as long as the target: the whole gradient; shorter: the same loss, another gradient."""
    for how in [{}, dict(attention='none'), dict(input_feeding=True), dict(attention='additive', cell='gru')]:
        net, batch = build(Config(**SIZES, **how)), random_batch((5, 2, 7), (9, 6, 1))
        loss_module, scaler = train.LossModule(net, 'cpu', torch.float32), torch.amp.GradScaler('cpu', enabled=False)
        loss, plain = loss_module(*batch)
        whole, found = gradients(net, loss.backward), {}
        for K in 10, 3:
            with flags(tbptt=K):
                cut = gradients(net, lambda: found.update(
                    {K: train.truncated_bptt(loss_module, *batch, 1.0, scaler)}))
            torch.testing.assert_close(found[K], plain)
            assert (K == 10) == all(torch.allclose(a, b, atol=1e-6) for a, b in zip(whole, cut))

def test_many_small_batches_are_one_large():
    random = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(random.integers(1, 30, 50))])
    side = random.integers(4, 17, offsets[-1]), offsets
    net = build(Config(**SIZES))
    loss_module, found = train.LossModule(net, 'cpu', torch.float32), []
    for n, world_size in (1, 1), (4, 1), (2, 3), (60, 1):           # 60: more of them than sentences
        with flags(grad_accum=n):
            parts = [part for rank in range(world_size)
                     for part in train.micro_batches(np.arange(50), [side, side], 'cpu', rank, world_size)]
        assert len(parts) == n * world_size and abs(sum(fraction for _, fraction in parts) - 1) < 1e-9
        def backward():
            for batch, fraction in parts:
                (loss_module(*batch)[0] * fraction).backward()
        found.append(gradients(net, backward))
    for other in found[1:]:
        for a, b in zip(found[0], other):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)

def test_sampled_words():
    """Where all words are drawn it is the full loss; where few are, another, and in evaluation never."""
    net, batch = build(Config(**SIZES)), random_batch()
    full = net.loss(*batch)[0]
    torch.testing.assert_close(net.loss(*batch, sampled_words=2000)[0], full)
    assert abs(net.loss(*batch, sampled_words=3)[0] - full) > 1e-4
    torch.testing.assert_close(net.eval().loss(*batch, sampled_words=3)[0], full)

def small_set(folder):
    """300 pairs to train on, 20 to validate and test with, tokenized."""
    trees = [grammar.sample_tree(random.Random(i)) for i in range(340)]
    for split, part in ('train', trees[:300]), ('valid', trees[300:320]), ('test', trees[320:]):
        for lang in 'de', 'en':
            write(f'{folder}.{split}.{lang}', '\n'.join(grammar.realise(tree, lang) for tree in part) + '\n')
    files = ' '.join(f'--{split}_{side}={folder}.{split}.{lang}' for split in ('train', 'valid', 'test')
                     for side, lang in (('source', 'de'), ('target', 'en')))
    run(f'prepare.py --dataset=files --data_dir={folder} {files}')
    run(f'tokenizer.py --data_dir={folder}')

def test_a_run_that_is_killed_ends_as_if_it_were_not():
    """Five kills at random moments in float32, five in bfloat16 if it is there; then last.pt cut short."""
    small_set('kill')
    killer = write('killer.py', f"""import contextlib, os, random, signal, sys, time; sys.path.insert(0, {str(here)!r})
import train
def changed():                                  # when a checkpoint was last written, 0 before the first
    times = [0]
    for name in 'last.pt', 'previous.pt':
        with contextlib.suppress(FileNotFoundError):    # last.pt is becoming previous.pt
            times.append(os.path.getmtime(out_dir + '/' + name))
    return max(times)
def start(*flags):
    pid = os.fork()
    if pid:
        return pid
    sys.argv[1:] = [*flags, *(['--resume'] if changed() else [])]
    train.run_script(train.main, vars(train))
    os._exit(0)
flags, out_dir, kills = sys.argv[1:], sys.argv[1].split('=')[1], int(sys.argv.pop())
for _ in range(kills):
    before, pid = changed(), start(*flags[:-1])
    while changed() == before:                  # it has gone on, ...
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.2))          # ... and now at any moment
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL, 'it had ended already'
assert os.waitpid(start(*flags[:-1]), 0)[1] == 0
""")
    how = ('--data_dir=kill --n_embd=32 --n_hidden=64 --warmup_steps=10 --batch_tokens=200 '
           '--eval_interval=10 --log_interval=7 --eval_sentences=3 --plot=false --device=cpu --patience=0 '
           '--max_steps=120')
    for dtype in ['float32', 'bfloat16'][:1 + model.has_bfloat16()]:
        ends = []
        for kills in 0, 5:
            folder = f'{dtype}-{kills}'
            run([killer, f'--out_dir={folder}', *how.split(), f'--dtype={dtype}', str(kills)])
            last, best = (sample.read_checkpoint(f'{work.name}/{folder}/{name}.pt')
                          for name in ('last', 'best'))
            log = [(e['step'], e.get('loss'), e.get('valid_loss'), e.get('grad_norm'), e.get('valid_bleu'))
                   for e in plot.read_log(f'{work.name}/{folder}')[1:]]
            ends.append((last['model'], best['model'], last['best_loss'], last['position'], log))
        for one, other in zip(*ends):
            if isinstance(one, dict):
                assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
            else:
                assert one == other
    path = pathlib.Path(work.name, 'float32-5/last.pt')
    path.write_bytes(path.read_bytes()[:20000])
    _, err = run('train.py --resume --out_dir=float32-5')
    assert 'last.pt is damaged' in err and 'previous.pt' in err
    whole, again = (sample.read_checkpoint(f'{work.name}/float32-{n}/last.pt')['model'] for n in (0, 5))
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())

def test_two_processes_do_what_one_does():
    small_set('two')
    descend = write('descend.py', f"""import sys; sys.path.insert(0, {str(here)!r})
import torch, train                             # plain descent: the change of a weight is its gradient
torch.optim.AdamW = lambda parameters, rate, weight_decay, fused: torch.optim.SGD(parameters, rate)
train.run_script(train.main, vars(train))
""")
    how = ('--data_dir=two --n_embd=32 --n_hidden=64 --warmup_steps=1 --learning_rate=1 --grad_clip=1e9 '
           '--weight_decay=0 --dropout=0 --batch_tokens=300 --log_interval=3 --eval_interval=2 '
           '--eval_sentences=3 --plot=false --device=cpu --dtype=float32 --max_steps=6').split()
    torchrun = [torch.distributed.run.__file__, '--standalone', '--nproc_per_node=2', descend]
    def saved(folder, name):
        return pathlib.Path(work.name, folder, name)
    run([descend, *how, '--out_dir=one'])
    run([*torchrun, *how, '--out_dir=both'])
    for folder, other, how_many in ('one', 'one-both', torchrun), ('both', 'both-one', [descend]):
        saved(other, '').mkdir()
        shutil.copy(saved(folder, 'log.jsonl'), saved(other, 'log.jsonl'))
        shutil.copy(saved(folder, 'previous.pt'), saved(other, 'last.pt'))              # that of step 4
        run([*how_many, '--resume', f'--out_dir={other}', '--data_dir=two'])
    logs = [[(entry['step'], entry.get('loss', 0), entry.get('valid_loss', 0))
             for entry in plot.read_log(saved(folder, ''))[1:]]
            for folder in ('one', 'both', 'one-both', 'both-one')]
    assert [step for step, *_ in logs[0]] == [0, 2, 3, 4, 6, 6]
    for log in logs[1:]:
        np.testing.assert_allclose(log, logs[0], atol=1e-5)
    for name in 'both', 'one-both', 'both-one':
        one, other = (sample.read_checkpoint(saved(folder, 'last.pt'))['model'] for folder in ('one', name))
        for key, weight in one.items():
            torch.testing.assert_close(other[key], weight, rtol=0, atol=1e-5)

def test_benchmark():
    small_set('bench')
    out, _ = run('train.py --data_dir=bench --benchmark=3 --n_embd=32 --n_hidden=64 --device=cpu '
                 '--dtype=float32 --out_dir=bench-out')
    found = {key: float(value) for key, value in (line.split() for line in out.splitlines()[1:])}
    assert list(found) == ['target_tokens_per_second', 'step_ms_median', 'loader_fraction', 'peak_memory_mb',
                           'model_gflops_per_second', 'mfu']
    assert 0 < found['mfu'] < 1 and 0 < found['loader_fraction'] < 1 and found['peak_memory_mb'] > 100
    assert not os.path.exists(f'{work.name}/bench-out')

def test_operations_counted():
    """By hand: an LSTM has 8 H (I + H) a word, forward, and twice that backward; so has every product."""
    config = Config(20, 17, attention='none', bidirectional=False, tied=False, n_embd=3, n_hidden=5)
    batch = random_batch((2, 2), (4, 4))                                    # 6 source words, 10 target words
    lstms, output, first = (6 + 10) * 8 * 5 * (3 + 5), 10 * 2 * 5 * 17, 2 * 8 * 5 * 5       # no way back from
    found = train.count_flops(config, [batch], 'cpu', torch.float32)                   # zeros
    assert found == 3 * (lstms + output) - first

def test_a_field_added_to_the_models_config_keeps_its_default():
    """Whoever tries something in model.py need not add a setting to train.py first."""
    @dataclasses.dataclass
    class WiderConfig(Config):
        new_field: int = 7
    side = None, np.array([0, 3])
    data = train.Data([side, side], None, [range(20), range(17)], None, None, None)
    with flags(Config=WiderConfig, n_hidden=64):
        config = train.model_config(data)
    assert (config.source_vocab, config.target_vocab, config.n_hidden, config.new_field) == (20, 17, 64, 7)

def test_what_ends_a_training():
    small_set('ends')
    how = 'train.py --data_dir=ends --out_dir=ends-out --n_hidden=64 --device=cpu --eval_sentences=1 '
    refused(how + '--learning_rate=1e11 --weight_decay=1e11 --warmup_steps=1', 'loss nan', 'at step 3')
    assert not os.path.exists(f'{work.name}/ends-out/best.pt')                         # no untrained model
    refused(how, 'ends-out/', '--resume', '--overwrite', '--out_dir')
    how += '--overwrite '
    refused(how + '--n_embd=20000000', 'out of memory', '--batch_tokens', '--grad_accum')
    refused(how + '--tbptt=5 --arch=transformer', '--tbptt')
    if not model.has_bfloat16():
        refused(how + '--dtype=bfloat16', 'avx512', 'float32')
    refused(how + '--learning_rate=1000 --max_steps=3 --warmup_steps=1', 'nothing was learnt', '--learning_rate')
    _, _, err = run_forked(how + '--max_steps=4 --eval_interval=2 --plot_dir=ends.train.de', '')   # a file
    assert err.count('not drawn') == 1
    status, out, _ = run_forked('train.py --resume --out_dir=ends-out', '')
    assert status == 0 and out.endswith(':  python train.py --resume --out_dir=ends-out --max_steps=8\n')
    refused('train.py --resume --seed=2 --n_layer=2 --out_dir=ends-out', '--n_layer --seed')
    with environment(RANK='0'):
        refused(how, 'WORLD_SIZE', 'torchrun')
    with environment(RANK='0', WORLD_SIZE='2', LOCAL_RANK='0', MASTER_ADDR='localhost', MASTER_PORT='any'):
        refused(how, 'torchrun')

@contextlib.contextmanager
def environment(**variables):
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]

def test_a_run_has_its_folder_alone_and_needs_no_reader():
    """Whoever reads its lines may leave; a second run is refused; Ctrl-C saves what was learnt."""
    small_set('alone')
    how = 'train.py --data_dir=alone --out_dir=alone-out --n_hidden=64 --device=cpu --eval_sentences=1'
    write('alone-out/log.jsonl.4711.nanoseq2seq.tmp', 'left by a run that was killed')
    command = [sys.executable, str(here / 'train.py'), *how.split()[1:], '--max_steps=100000', '--patience=0']
    running = subprocess.Popen([*command, '--eval_interval=10'], cwd=work.name, text=True, encoding='utf-8',
                               env={**os.environ, **ALONE, 'PYTHONUNBUFFERED': '1'},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lines = [running.stdout.readline() for _ in range(3)]
    running.stdout.close()
    assert 'sentence pairs' in lines[0] and 'step 0' in lines[2], lines
    folder = pathlib.Path(work.name, 'alone-out')
    while not (folder / 'best.pt').exists():
        time.sleep(0.05)
    refused(how, 'alone-out/', '--overwrite')
    refused(how + ' --overwrite', 'another train.py')
    running.send_signal(signal.SIGINT)
    assert (running.wait(60), running.stderr.read()) == (130, '') and not [*folder.glob('*.tmp')]
    log = plot.read_log(str(folder))
    assert log[-1]['step'] == sample.read_checkpoint(f'{folder}/last.pt')['step'] and 'valid_loss' in log[-1]

def test_signals_while_it_trains_and_while_it_is_evaluated():
    """The second Ctrl-C ends an evaluation, but no step and no checkpoint."""
    net, numbers = torch.nn.Linear(1, 1), (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    try:
        requests = train.catch_signals(net)
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGINT:
            signal.raise_signal(number)
        assert len(requests) == 3
        net.eval()
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            raise AssertionError
        signal.raise_signal(signal.SIGINT)              # a third must not disturb how it ends
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)

def test_an_infinite_gradient():
    """Without a limit it spoils its own parameter alone; and its step is named, whenever that is checked."""
    for clip in 0.0, 1.0:
        net = build(Config(**SIZES))
        net.output.bias.register_hook(lambda gradient: gradient * math.inf)
        optimizer, scaler = train.build_optimizer(net, 'cpu', torch.float32)
        with flags(grad_clip=clip):
            loss_module, batches = train.LossModule(net, 'cpu', torch.float32), [(random_batch(), 1.0)]
            loss, norm = train.train_step(loss_module, batches, 0.1, optimizer, scaler, 1)
        assert loss.isfinite() and not norm.isfinite()
        assert all(p.isfinite().all() for name, p in net.named_parameters() if name != 'output.bias')
    state = train.TrainingState(net, optimizer, scaler, step=10)
    for n_finite in 0, 1, 2:
        state.measured = [torch.tensor([2.0, 1.0])] * n_finite + [torch.stack([loss, norm])] * 2
        with contextlib.redirect_stderr(io.StringIO()) as err, contextlib.suppress(SystemExit):
            train.check_finite(state)
        assert 'grad norm inf at step 9' in err.getvalue()

def test_evaluations_from_the_start():
    assert [step for step in range(1100) if train.is_evaluated(step)] == [0, 50, 100, 200, 400, 500, 1000]
    with flags(eval_interval=70):
        assert [step for step in range(300) if train.is_evaluated(step)] == [0, 50, 70, 140, 210, 280]

def test_a_short_run_has_a_short_warmup():
    offsets = np.arange(2001) * 11                      # 2,000 sentences; with <eos> they have 24,000 words
    for settings, expected in [
            (dict(max_epochs=3.0), 16), (dict(max_epochs=12.0), 64), (dict(max_epochs=13.0), 200),
            (dict(max_steps=60), 20), (dict(max_steps=1), 1), (dict(max_steps=200), 200),
            (dict(max_minutes=1.0), 200), (dict(max_epochs=3.0, warmup_steps=40), 40)]:
        with flags(warmup_steps=200, batch_tokens=1500), flags(**settings):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                train.fit_warmup(offsets)
            assert train.warmup_steps == expected, settings
            assert bool(out.getvalue()) == (expected not in (200, 40))

def test_how_long_translations_may_be():
    """Seven target words for a source word where nearly all are so, else two."""
    def offsets(lengths):
        return np.concatenate([[0], np.cumsum(lengths)])
    assert train.max_length_ratio(offsets([3] * 900), offsets([27] * 900)) == 7
    assert train.max_length_ratio(offsets([3] * 5000), offsets([27] * 2 + [4] * 4998)) == 2
    many, began = np.arange(38_000_001, dtype='<i8') * 25, time.time()
    assert train.max_length_ratio(many, many) == 2 and time.time() - began < 3

def test_what_is_said_of_a_long_run():
    state = train.TrainingState(None, None, None, step=20, interval_seconds=20.0, measured=[0] * 20)
    for limit, done, words in [({}, 20 / 36000, '10 hours'), ({}, 20 / 360, ''),
                               (dict(max_minutes=60.0), 20 / 36000, '')]:
        with flags(**limit), contextlib.redirect_stdout(io.StringIO()) as out:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            train.print_outlook(state, done)
            torch.set_num_threads(threads)
        assert words in out.getvalue() and bool(words) == bool(out.getvalue())

def test_learning_rate_rises_and_falls():
    steps = [(0, 0.0), (99, 0.0), (199, 0.0), (5000, 0.25), (5000, 0.5), (9000, 1.0)]      # step, done
    rates = [train.learning_rate_at(*step) / train.learning_rate for step in steps]
    assert np.allclose(rates, [1 / 200, 1 / 2, 1, (1 + 0.5 ** 0.5) / 2, 1 / 2, 0])

# -----------------------------------------------------------------------------
# beam search

def tiny_model(seed, attention='general', **how):
    """A random model that often ends: of 7 words, 4 special."""
    torch.manual_seed(seed)
    net = build(Config(source_vocab=9, target_vocab=7, n_embd=8, n_hidden=8, attention=attention,
                       **how)).eval()
    for parameter in net.parameters():
        torch.nn.init.uniform_(parameter, -1.2, 1.2)
    return net

def slow_search(net, source, lengths, limit, alpha, beam_size, beta=0.0):
    """One sentence's [(score, words)], the best first, by lists: with a huge beam all that can be said."""
    memory, ended = net.encode(source, lengths), []
    alive = [(0.0, [], net.init_decoder_state(memory, 1), torch.zeros(source.shape))]
    def score(total, t, attended):
        return total / ((5 + t) / 6) ** alpha + beta * attended[0].clamp(1e-4, 1).log().sum().item()
    for t in range(1, limit + 1):
        longer = []
        for total, words, state, attended in alive:
            logits, state, weights = net.decode_step(torch.tensor([BOS, *words][-1:]), state, memory)
            longer += [(total + log_prob, words + [word], state, attended + weights)
                       for word, log_prob in enumerate(logits[0].log_softmax(0).tolist())
                       if word not in (PAD, BOS)]
        longer.sort(key=lambda hypothesis: -hypothesis[0])
        longer = longer[:beam_size - len(ended)]            # those that have ended keep their places
        ended += [(score(total, t, attended), words)
                  for total, words, _, attended in longer if words[-1] == EOS or t == limit]
        alive = [hypothesis for hypothesis in longer if hypothesis[1][-1] != EOS]
    return sorted(ended, reverse=True)

def search(net, source, lengths, *how):
    """beam_search, 4 words at most, as [[(score, words)]]."""
    tokens, scores = sample.beam_search(net, source, lengths, torch.full_like(lengths, 4), *how)
    return [[(score, [t for t in words if t != PAD]) for score, words in zip(*both)]
            for both in zip(scores.tolist(), tokens.tolist())]

def test_length_penalty():
    """Wu et al. 2016, eq. 14: seven words are (5 + 7) / 6 = 2 times as long as one."""
    for alpha, expected in (0.0, -4.0), (1.0, -2.0), (2.0, -1.0):
        assert sample.length_penalised_score(-4.0, 7, alpha) == expected

SOURCE = torch.tensor([[4, 5, 8, EOS], [6, EOS, PAD, PAD], [7, 7, EOS, PAD]]), torch.tensor([4, 2, 3])

@torch.inference_mode()
def test_beam_as_wide_as_the_search_space_is_exhaustive():
    kinds = [dict(attention=kind) for kind in ('none', 'dot', 'general', 'additive')]
    kinds += [dict(input_feeding=True), dict(cell='gru', n_layer=2),
              dict(arch='transformer', attention='dot')]
    for seed, how, alpha in itertools.product(range(4), kinds, [0.0, 0.6, 1.0]):
        net = tiny_model(seed, **how)
        for i, found in enumerate(search(net, *SOURCE, 5 ** 4, alpha, 5)):
            n = SOURCE[1][i]
            expected = slow_search(net, SOURCE[0][i:i + 1, :n], SOURCE[1][i:i + 1], 4, alpha, 5 ** 4)
            for (score, words), (true_score, true_words) in zip(found[:5], expected):
                assert abs(score - true_score) < 1e-4 and words == true_words, (seed, how, alpha, i)

@torch.inference_mode()
def test_coverage_penalty_of_beam_search():
    for seed, beta in itertools.product(range(6), [0.0, 0.7]):
        net = tiny_model(seed)
        found = search(net, *SOURCE, 5 ** 4, 0.6, 5, beta)
        for i, n in enumerate(SOURCE[1]):
            alone = SOURCE[0][i:i + 1, :n], SOURCE[1][i:i + 1]
            expected = slow_search(net, *alone, 4, 0.6, 5 ** 4, beta)
            for (score, words), (true_score, true_words) in zip(found[i][:5], expected):
                assert abs(score - true_score) < 1e-4 and words == true_words, (seed, beta, i)

@torch.inference_mode()
def test_sampled_tokens_are_as_frequent_as_they_are_probable():
    net, (source, lengths) = tiny_model(0), SOURCE
    def frequencies(*how):
        torch.manual_seed(0)
        tokens, scores = sample.sample_tokens(net, source[:1], lengths[:1], torch.tensor([1]), 4000, *how)
        return torch.bincount(tokens[0, :, 0], minlength=7) / 4000
    memory = net.encode(source[:1], lengths[:1])
    logits, *_ = net.decode_step(torch.tensor([BOS]), net.init_decoder_state(memory, 1), memory)
    log_probs = logits.log_softmax(1)
    log_probs[0, [PAD, BOS]] = -math.inf
    torch.testing.assert_close(frequencies(), log_probs[0].softmax(0), rtol=0, atol=0.03)
    torch.testing.assert_close(frequencies(0.5), (2 * log_probs[0]).softmax(0), rtol=0, atol=0.03)
    assert frequencies(1e-3)[log_probs.argmax()] == 1
    tokens, scores = sample.sample_tokens(net, source, lengths, torch.tensor([3, 2, 4]), 5)
    for i, limit in enumerate([3, 2, 4]):
        assert scores[i].tolist() == sorted(scores[i].tolist(), reverse=True)
        for words in tokens[i].tolist():
            words = [word for word in words if word != PAD]
            assert 1 <= len(words) <= limit and EOS not in words[:-1]
            assert words[-1] == EOS or len(words) == limit

@torch.inference_mode()
def test_finished_hypotheses_keep_their_places_in_the_beam():
    for seed, K in itertools.product(range(20), [2, 3]):
        net = tiny_model(seed)
        for i, found in enumerate(search(net, *SOURCE, K, 1.0, K)):
            n = SOURCE[1][i]
            expected = slow_search(net, SOURCE[0][i:i + 1, :n], SOURCE[1][i:i + 1], 4, 1.0, K)
            assert [words for _, words in found] == [words for _, words in expected], (seed, K, i)

def test_blockwise_topk_is_topk():
    """Wherever the greatest stand: all in one block, behind the last block, or all at minus infinity."""
    for V, k in (10, 10), (64, 3), (129, 1), (1000, 5), (6202, 10):
        x = torch.randn(7, V)
        x[0, :k], x[1, -k:], x[2] = x[0, :k] + 100, x[1, -k:] + 100, float('-inf')
        values, columns = sample.blockwise_topk(x, k)
        assert torch.equal(values, x.topk(k).values) and torch.equal(x.gather(1, columns), values)

@torch.inference_mode()
def test_beam_of_one_is_greedy():
    for seed in range(20):
        net = tiny_model(seed)
        for i, ((_, found),) in enumerate(search(net, *SOURCE, 1, 1.0)):
            memory = net.encode(SOURCE[0][i:i + 1, :SOURCE[1][i]], SOURCE[1][i:i + 1])
            state, words = net.init_decoder_state(memory, 1), [BOS]
            while len(words) < 5 and words[-1] != EOS:
                logits, state, _ = net.decode_step(torch.tensor(words[-1:]), state, memory)
                logits[0, [PAD, BOS]] = -math.inf
                words.append(logits.argmax().item())
            assert found == words[1:]

@torch.inference_mode()
def test_beam_does_not_depend_on_neighbours_or_n_best():
    for seed in range(20):
        net = tiny_model(seed)
        together = search(net, *SOURCE, 4, 1.0, 1)
        for i, found in enumerate(search(net, *SOURCE, 4, 1.0, 4)):
            alone, = search(net, SOURCE[0][i:i + 1, :SOURCE[1][i]], SOURCE[1][i:i + 1], 4, 1.0, 1)
            for one in alone, found:
                assert one[0][1] == together[i][0][1] and abs(one[0][0] - together[i][0][0]) < 1e-4
            assert found == sorted(found, reverse=True) and len({tuple(words) for _, words in found}) == 4

def test_unknown_word_is_the_source_word_looked_at():
    """Most attention is on the full stop, then on 'Quark': the greatest of what is a word counts."""
    class Looking:
        def encode(self, source, lengths): return None
        def init_decoder_state(self, memory, beams): return None
        def decode(self, target_in, memory, state):
            weights = [[[0.1, 0.3, 0.4, 0.2], [0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]]]
            return None, torch.tensor(weights), None
    words = tokenizer.split('a Quark.')
    source, lengths = sample.pad([[4, UNK, 5, EOS]])
    vocab = Vocabulary([*tokenizer.SPECIAL, 'x'])
    tokens = torch.tensor([[UNK, 4, EOS]])
    found = sample.replace_unknowns(Looking(), source, lengths, tokens, [words], vocab)
    assert found == [['Quark', 'x', '<eos>']]

def test_unknown_words_in_sentences_of_unequal_length():
    """Only the sentences that lack a word are looked at again, without the others' padding."""
    net, search = tiny_model(0), sample.beam_search
    vocabs = [Vocabulary([*tokenizer.SPECIAL, *words]) for words in ('abc', 'x')]
    sample.beam_search = lambda *_, **__: (torch.tensor([[[4, EOS]], [[UNK, EOS]]]), torch.zeros(2, 1))
    try:
        found = sample.translate(['Quark', 'a b c a'], net, *vocabs, beam_size=1)
    finally:
        sample.beam_search = search
    assert found == [[('Quark', 0.0)], [('x', 0.0)]]

def test_translate_shows_the_model_what_it_was_trained_on():
    """Each sentence with its <eos>, padded, the longest first; translations come in the sentences' order."""
    net, seen = tiny_model(0), []
    def encode(source, lengths):
        seen.append(source.tolist())
        return RecurrentSeq2Seq.encode(net, source, lengths)
    net.encode = encode
    vocabs = Vocabulary([*tokenizer.SPECIAL, *'abcde']), Vocabulary([*tokenizer.SPECIAL, *'xyz'])
    texts = ['a b\u00a0c', '', 'e q', 'd']
    together = sample.translate(texts, net, *vocabs, batch_size=2, replace_unknown=False)
    assert seen == [[[4, 5, 6, EOS], [8, UNK, EOS, PAD]], [[7, EOS]]] and together[1] == [('', 0.0)]
    threads = torch.get_num_threads()
    at_once = []
    try:
        for n in 2, 3:                      # each in a batch of its own, two or all three at once
            torch.set_num_threads(n)
            at_once.append(sample.translate(texts, net, *vocabs, batch_size=1, replace_unknown=False))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    for text, *found in zip(texts, together, *at_once):
        (alone, score), = sample.translate([text], net, *vocabs, replace_unknown=False)[0]
        for (translation, its_score), in found:
            assert translation == alone and abs(its_score - score) < 1e-4

# -----------------------------------------------------------------------------
# scores

def test_bleu_by_hand():
    """Of 5 words 3 match, of 4 pairs of words 2, of 3 triples 1, and of 2 longer ones none, which is half."""
    hypothesis, reference = ['the cat sat on it'], ['the cat sat there today']
    precisions = 3 / 5 * 2 / 4 * 1 / 3 * 0.5 / 2
    assert abs(sample.bleu(hypothesis, reference) - 100 * precisions ** 0.25) < 1e-9
    assert abs(sample.bleu(['a b c d'], ['a b c d e f']) - 100 * math.exp(1 - 6 / 4)) < 1e-9      # too short
    assert sample.bleu(hypothesis, reference) != sample.bleu(reference + ['x'], hypothesis + ['y z'])

# by sacreBLEU 2.6.0: hypotheses, references, BLEU, BLEU lower-cased, chrF2
SACREBLEU = [
    (['The dog bites the man.'], ['The dog bit the man.'], 37.9918, 37.9918, 77.2664),
    (['It is a guide to action which ensures that the military always obeys the commands of the party.'],
     ['It is a guide to action that ensures that the military will forever heed Party commands.'],
     39.6709, 40.4727, 62.3977),
    (['A man, a plan; a canal: "Panama"!', '', '1,000.50 - 3-4 %'],
     ['A man, a plan, a canal - Panama!', 'nothing here', '1,000.5 - 3-4 %'], 46.8097, 46.8097, 53.0589),
    (['a'], ['a'], 0.0000, 0.0000, 100.0000),
    ([''], ['a b c d'], 0.0000, 0.0000, 0.0000),
    (['the THE the'], ['The the cat sat'], 0.0000, 0.0000, 16.8158),
    (['日本語 の テスト です 。'], ['日本語 の 試験 です 。'], 30.2138, 30.2138, 32.4776),
    (['Это тест, да.'], ['Это был тест, да.'], 57.8930, 57.8930, 57.0904),
    (["It's a dog's life &amp; isn't it?"], ["It's a dogs life & isn't it?"], 59.4604, 59.4604, 69.1247),
    (['one two three four', 'five six seven eight nine'], ['one two three four', 'five six seven ten nine'],
     59.6949, 59.6949, 80.6164),
    (['A B C D E F'], ['a b c d e f'], 0.0000, 100.0000, 0.0000),
    (['x y z'], ['a b c'], 0.0000, 0.0000, 0.0000)]

WORDS = ("the a dog dogs The Dog ran runs , . ; : ! ? - -- 3-4 1,000.50 5% $3.20 can't it's \"so\" "
         "(yes) [no] {x} &amp; &quot;oh&quot; &lt;b&gt; <skipped> e.g. U.S. Müller naïve œuvre straße "
         "ДА нет это 東京 日本語 テスト 한국어 العربية a/b c_d x=y #1 @home www.x.de 12:30 10.5.").split()

def perturbed(seed, n):
    """n references of 1 to 40 words and what might have been made of them; the same on every machine."""
    rng, hypotheses, references = random.Random(seed), [], []
    def some(k):
        return [WORDS[int(len(WORDS) * rng.random() ** 2)] for _ in range(k)]
    for _ in range(n):
        words = some(1 + int(40 * rng.random()))
        references.append(' '.join(words))
        noise = 0.4 * rng.random()
        words = [word for word in words if rng.random() > noise / 2]                   # some are left out,
        words = [some(1)[0] if rng.random() < noise else word for word in words]       # some mistaken,
        cut = int(len(words) * rng.random())
        words = words[cut:] + words[:cut] if rng.random() < noise else words           # some sentences turned
        hypotheses.append(' '.join(words) if rng.random() > 0.03 else '')
    return hypotheses, references

# by the same: how many sentences of perturbed(), whose seed is the place in the list, and the three scores
SACREBLEU_OF_PERTURBED = [
    (1, 94.0566, 94.0566, 97.5446), (1, 0.0000, 0.0000, 0.0000), (1, 38.6055, 38.6055, 53.5884),
    (2, 25.3562, 25.6396, 39.3204), (2, 29.7775, 30.8621, 48.8466), (3, 85.3496, 85.3496, 85.9906),
    (5, 42.6478, 42.8245, 51.2619), (7, 50.4420, 50.4420, 56.6832), (10, 79.0649, 79.3020, 82.5208),
    (20, 56.7281, 56.8036, 61.4914), (30, 51.6842, 52.1334, 60.4913), (50, 60.5404, 60.8629, 66.4961),
    (75, 56.8722, 57.0420, 65.7995), (100, 57.3774, 57.9553, 64.7349), (200, 54.9548, 55.2750, 63.5285),
    (300, 56.2201, 56.6071, 64.3066), (500, 54.7933, 55.1179, 62.7377), (1000, 55.1911, 55.5188, 63.1746),
    (2000, 55.3889, 55.7714, 63.6092), (3000, 56.0425, 56.4076, 64.0287)]

def test_scores_are_sacrebleus():
    cases = [(*perturbed(seed, n), *scores) for seed, (n, *scores) in enumerate(SACREBLEU_OF_PERTURBED)]
    for hypotheses, references, bleu, lowercase, chrf in SACREBLEU + cases:
        assert abs(sample.bleu(hypotheses, references) - bleu) < 0.005, hypotheses
        assert abs(sample.bleu(hypotheses, references, lowercase=True) - lowercase) < 0.005, hypotheses
        assert abs(sample.chrf(hypotheses, references) - chrf) < 0.005, hypotheses

def test_bootstrap():
    """A difference in all sentences is no chance, one in a single sentence may be; equal systems tie."""
    references = [f'the {i} dogs ran over the {i % 7} wet roads' for i in range(100)]
    worse = [line.replace('roads', 'road') for line in references]
    assert sample.paired_bootstrap(references, worse, references) == (1.0, 0.0, 0.0)
    assert sample.paired_bootstrap(worse, references, references) == (0.0, 0.0, 1.0)
    once = [worse[0], *references[1:]]
    wins, ties, p_value = sample.paired_bootstrap(references, once, references)
    assert abs(wins - (1 - 0.99 ** 100)) < 0.05 and wins + ties == 1.0 and p_value == ties
    assert sample.paired_bootstrap(worse, worse, references) == (0.0, 1.0, 1.0)
    assert sample.confidence_interval(worse, references) < 1 < sample.confidence_interval(
        worse[:50] + references[50:], references)               # all alike; half of them right

def test_scores_by_length():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        sample.print_scores_by_length(['a ' * 10, 'a ' * 11, 'a ' * 20], ['x y z w', 'x y', 'a b c d'],
                                      ['x y z w', 'p q', 'a b c d'])
    second = sample.bleu(['x y', 'a b c d'], ['p q', 'a b c d'])
    assert out.getvalue().splitlines() == ['BLEU_1-10_words 100.00', 'sentences_1-10_words 1',
                                           f'BLEU_11-20_words {second:.2f}', 'sentences_11-20_words 2']

def test_scoring_two_files():
    ours = ['A dog runs.', 'Two men sit on a bench.']
    theirs = ['A dog is running.', 'Two men sit on the bench.']
    write('hyp.en', '\n'.join(ours) + '\n')
    write('ref.en', '\n'.join(theirs) + '\n')
    out, _ = run('sample.py --hypotheses=hyp.en --references=ref.en')
    scores = dict(line.split(' ', 1) for line in out.splitlines())
    assert scores['BLEU'] == f'{sample.bleu(ours, theirs):.2f}' != f'{sample.bleu(theirs, ours):.2f}'
    assert scores['chrF2'] == f'{sample.chrf(ours, theirs):.2f}' != f'{sample.chrf(theirs, ours):.2f}'
    assert scores['BLEU_signature'] == 'nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp'
    write('old.en', 'A dog runs.\nTwo men sit.\n')
    out, _ = run('sample.py --hypotheses=hyp.en --references=ref.en --baseline=old.en')
    scores = dict(line.split(' ', 1) for line in out.splitlines())
    old = ['A dog runs.', 'Two men sit.']
    assert scores['BLEU_of_baseline'] == f'{sample.bleu(old, theirs):.2f}'
    printed = [scores[f'bootstrap_{key}'] for key in ('wins', 'ties', 'p_value')]
    assert printed == [f'{number:.3f}' for number in sample.paired_bootstrap(ours, old, theirs)]
    write('short.en', 'A dog runs.\n')
    refused('sample.py --hypotheses=short.en --references=ref.en', 'short.en', '1', '2')
    refused('sample.py --hypotheses=hyp.en', '--references')
    refused('sample.py --hypotheses=hyp.en --references=missing.en', 'missing.en')

# -----------------------------------------------------------------------------
# the data

def tsv(rows):
    return gzip.compress(''.join('\t'.join(row) + '\n' for row in rows).encode())

def sgm(lines):
    segments = ''.join(f'<seg id="1">{line}</seg> \n' for line in lines)
    return f'<srcset>\n<doc id="a">\n{segments}</doc>\n'.encode()

def tmx(units):
    text = ''.join(f'   <tuv xml:lang="{lang}">\n    <seg>{text}</seg>\n   </tuv>\n' + '  </tu>\n' * (n % 2)
                   for n, (lang, text) in enumerate(units))
    return gzip.compress(f'<?xml version="1.0"?>\n<tmx>\n <body>\n{text} </body>\n</tmx>\n'.encode())

def tgz(members):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:gz') as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return data.getvalue()

def zipped(members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()

# the quirks of the real files in sentences of our own, and what is to be read of them; '' is no pair
QUIRKS = {
    'europarl_v9': [
        (('Der Hund\rschläft.', 'The dog sleeps.'), ('Der Hund schläft.', 'The dog sleeps.')),     # bare CR
        (('Das Haus\x85ist alt.', 'The house is\rold.'), ('Das Haus ist alt.', 'The house is old.')),
        (('Sie\u2028liest.', 'She reads.'), ('Sie liest.', 'She reads.')),          # no end of a line, but in
        (('Wir\x1cgehen\x0c.', 'We walk.'), ('Wir gehen .', 'We walk.')),           # str.splitlines()
        ((' Er\u00a0la\u00adcht. ', 'He laughs.\u200b'), ('Er lacht.', 'He laughs.')),      # not to be seen
        (('"Nein', '"No," he said.'), ('"Nein', '"No," he said.')),                 # csv would join them
        (('Ja."', 'Yes.'), ('Ja."', 'Yes.')),
        (('u\u0308ber', 'above'), ('über', 'above')),                               # not NFC
        (('.', '.'), ''), (('', 'nothing'), ''), (('gleich', 'gleich'), ''),
        (('Sie liest.', 'She reads.'), '')],
    'newscommentary_v14': [
        (('Eins.', 'One.', 'a third column'), ('Eins.', 'One.')),
        (('',), ''), (('nur eine Spalte',), ''),                                    # a document ends
        (('Zwei.', 'Two.\r'), ('Zwei.', 'Two.')),
        (('A&#160;&amp; B &eacute;', 'A&nbsp;& B &foo; AT&T;'), ('A & B é', 'A & B &foo; AT&T;')),
        (('Damals 2,7\ufffdMillionen.', 'Then 2.7 million.'), ''),                 # lost before it came to us
        (('Sie liest.', 'She reads.'), '')],                                        # europarl has it too
    'commoncrawl': [
        (('Drei\tBäume.', 'Three trees.'), ('Drei Bäume.', 'Three trees.')),       # here a tab is a space
        (('The German side is not in German at all.', 'It is not.'), ''),
        (('w' * 41, 'a word'), ''), (('Vier.', 'Four.'), ('Vier.', 'Four.'))],
    'wikititles_v1': [(('Wirbelsäule', 'Vertebral column'), ('Wirbelsäule', 'Vertebral column')),
                      (('1999', '2000'), '')],
    'rapid_2019': [(('Fünf.', 'Five.'), ('Fünf.', 'Five.')), (('', ''), ''),
                   (('Sechs.', 'Six.'), ('Sechs.', 'Six.'))],
    'paracrawl_v3': [
        (('Sieben &amp; acht. ', 'Seven &amp; eight.'), ('Sieben & acht.', 'Seven & eight.')),
        (('Er ist&apos;s.', 'It&apos;s him &amp; & apos;her& apos;.'), ("Er ist's.", "It's him & 'her'.")),
        (('&amp;quot;Ja&amp;quot; und &lt;', '&#34;Yes&quot; and & lt;'), ('"Ja" und <', '"Yes" and <')),
        (('Da?a=1&amp;copy=2', 'There?a=1&amp;copy=2 &foo;'), ('Da?a=1&copy=2', 'There?a=1&copy=2 &foo;'))]}

def mirror():
    """Every file of the mirror in its true layout."""
    rows = {corpus: [row for row, _ in quirks] for corpus, quirks in QUIRKS.items()}
    def members(corpus, name, **beside):            # the second language first, and what is none of ours
        de, en = ('\n'.join(side) + '\n' for side in zip(*rows[corpus]))
        return {f'{name}.en': en, **beside, f'{name}.de': de, '../outside.de': 'not ours\n'}
    write('mirror/wmt19/europarl-v9.de-en.tsv.gz', tsv(rows['europarl_v9']))
    write('mirror/wmt19/news-commentary-v14.de-en.tsv.gz', tsv(rows['newscommentary_v14']))
    write('mirror/wmt19/wikititles-v1.de-en.tsv.gz', tsv(rows['wikititles_v1']))
    write('mirror/wmt19/training-parallel-commoncrawl.tgz',
          tgz(members('commoncrawl', './commoncrawl.de-en', **{'commoncrawl.cs-en.en': 'Czech\n'})))
    write('mirror/wmt19/rapid2019.de-en.zip', zipped(members('rapid_2019', 'rapid2019.de-en')))
    units = []                                      # English first, then German first, and so on
    for n, (de, en) in enumerate(rows['paracrawl_v3']):
        units += [('de', de), ('en', en)] if n % 2 else [('en', en), ('de', de)]
    write('mirror/wmt19/en-de.bicleaner07.tmx.gz', tmx(units))
    write('mirror/wmt19/dev.tgz', tgz({
        'dev/newstest2018-deen-src.de.sgm': sgm(['Ja &amp; nein.', 'Gut.  ']).decode(), 'dev/other.sgm': '',
        'dev/newstest2018-deen-ref.en.sgm': sgm(['Yes & no.', 'Good.']).decode(),
        'dev/newstest2013.en': 'One.\n', 'dev/newstest2013.fr': 'Un.\n',
        'dev/newstest2014-fren-src.fr.sgm': sgm(['Deux.']).decode(),
        'dev/newstest2014-fren-ref.en.sgm': sgm(['Two.']).decode()}))
    write('mirror/wmt19/test.tgz', tgz({'sgm/newstest2019-deen-src.de.sgm': sgm(['Spät.']).decode(),
                                        'sgm/newstest2019-deen-ref.en.sgm': sgm(['Late.']).decode()}))
    write('mirror/wmt19/news-commentary-v14.en-fr.tsv.gz', tsv([('Three.', 'Trois.')]))
    write('mirror/wmt19/training-parallel-europarl-v7.tgz', tgz({
        'training/europarl-v7.de-en.en': 'Four.\n', 'training/europarl-v7.fr-en.en': 'Four.\n',
        'training/europarl-v7.fr-en.fr': 'Quatre.\n'}))
    for split in 'train', 'val', 'test_2016_flickr':
        for lang in 'de', 'en', 'fr':
            text = f'{split} {lang} one\n {split}  {lang} &amp; two\n'
            write(f'mirror/multi30k/{split}.{lang}.gz', gzip.compress(text.encode()))
    write('mirror/tatoeba/deu-eng.zip', zipped({'_about.txt': 'who made it', 'deu.txt': ''.join(
        f'Sentence {i // 2}.\tSatz {i}.\tCC-BY {i}\n' for i in range(80))}))

def lines(name):
    return pathlib.Path(work.name, name).read_bytes().decode().split('\n')[:-1]

WMT19 = 'prepare.py --dataset=wmt19 --verify=false --mirror=mirror '

def test_every_corpus_of_wmt19_with_its_quirks():
    """No pair is lost, none is misaligned, whatever stands in the text; and all is counted."""
    mirror()
    for corpus, quirks in QUIRKS.items():
        run(WMT19 + f'--corpora={corpus} --data_dir=one')
        alone = [pair for row, pair in quirks if pair]
        alone += [('Sie liest.', 'She reads.')] * (corpus == 'newscommentary_v14')
        assert list(zip(lines('one/train.de'), lines('one/train.en'))) == alone, corpus
        counts = tokenizer.read_meta(f'{work.name}/one')['corpora'][corpus]
        assert counts['read'] == len(quirks) == counts['kept'] + sum(counts['dropped'].values())
    run(WMT19 + '--corpora=all --data_dir=wmt')
    pairs = list(zip(lines('wmt/train.de'), lines('wmt/train.en')))
    assert sorted(pairs) == sorted(pair for quirks in QUIRKS.values() for _, pair in quirks if pair)
    assert lines('wmt/valid.de') == ['Ja &amp; nein.', 'Gut.'] and lines('wmt/test.en') == ['Late.']
    meta = tokenizer.read_meta(f'{work.name}/wmt')
    dropped = {corpus: {reason: n for reason, n in counts['dropped'].items() if n}
               for corpus, counts in meta['corpora'].items()}
    assert dropped == dict(
        europarl_v9=dict(empty=1, identical=1, duplicate=1, letters=1), wikititles_v1=dict(letters=1),
        newscommentary_v14=dict(empty=2, duplicate=1, encoding=1), rapid_2019=dict(empty=1),
        commoncrawl=dict(language=1, word=1), paracrawl_v3={}), dropped
    for name, file in meta['files'].items():
        fingerprint = tokenizer.fingerprint(f'{work.name}/wmt/{name}')
        assert file == {'sentences': len(lines(f'wmt/{name}')), 'fingerprint': fingerprint}
    assert not list(pathlib.Path(work.name).rglob('outside*'))
    run(WMT19 + '--corpora=all --data_dir=some --max_pairs=15 --workers=1')
    some = tokenizer.read_meta(f'{work.name}/some')['corpora']
    assert {corpus: counts['read'] for corpus, counts in some.items()} == {
        corpus: len(quirks) for corpus, quirks in QUIRKS.items()}
    assert sum(counts['kept'] for counts in some.values()) == 15 == len(lines('some/train.de'))
    assert sum(counts['dropped']['unsampled'] for counts in some.values()) == len(pairs) - 15
    assert set(zip(lines('some/train.de'), lines('some/train.en'))) < set(pairs)
    run(WMT19 + '--source_lang=fr --data_dir=french')
    assert lines('french/train.fr') == ['Quatre.', 'Trois.']
    assert lines('french/train.en') == ['Four.', 'Three.']
    assert lines('french/valid.fr') == ['Un.'] and lines('french/test.en') == ['Two.']

def test_what_is_refused_of_wmt19():
    mirror()
    run(WMT19 + '--data_dir=wmt')
    meta = tokenizer.read_meta(f'{work.name}/wmt')
    assert list(meta['corpora']) == ['europarl_v9', 'newscommentary_v14']              # by default
    wmt19 = WMT19 + '--data_dir=wmt '
    refused(wmt19 + '--verify=true', 'europarl-v9.de-en.tsv.gz', '--verify=false')
    refused(wmt19 + '--corpora=europarl_v7', 'europarl_v7', 'europarl_v9')
    refused(wmt19 + '--corpora=', 'europarl_v9')
    refused(wmt19 + '--source_lang=cs', 'German-English')
    refused(wmt19 + '--source_lang=', 'language')
    write('mirror/wmt19/europarl-v9.de-en.tsv.gz', b'\x1f\x8b damaged')
    refused(wmt19, 'europarl-v9.de-en.tsv.gz', 'damaged')
    write('mirror/wmt19/europarl-v9.de-en.tsv.gz', tsv([('Ein.', 'One.'), ('Zwei.', 'Two.')])[:-12])
    refused(wmt19, 'europarl-v9.de-en.tsv.gz', 'damaged')
    broken = bytearray(open(f'{work.name}/mirror/wmt19/training-parallel-commoncrawl.tgz', 'rb').read())
    broken[-8] ^= 1                                                                    # of the checksum
    write('mirror/wmt19/training-parallel-commoncrawl.tgz', bytes(broken))
    refused(wmt19 + '--corpora=commoncrawl', 'training-parallel-commoncrawl.tgz is damaged', 'curl')
    write('mirror/wmt19/training-parallel-commoncrawl.tgz', tgz({'commoncrawl.de-en.de': 'Eins.\n'}))
    refused(wmt19 + '--corpora=commoncrawl', 'commoncrawl.de-en.en')
    members = {f'rapid2019.de-en.{lang}': b'a\n\xff\n' for lang in ('de', 'en')}
    write('mirror/wmt19/rapid2019.de-en.zip', zipped(members))
    refused(wmt19 + '--corpora=rapid_2019', 'rapid2019.de-en.zip:rapid2019.de-en.de', 'line 2')
    write('mirror/wmt19/en-de.bicleaner07.tmx.gz', tmx([('de', f'&#{"1" * 5000};'), ('en', 'x')] * 2))
    run(WMT19 + '--data_dir=para --corpora=paracrawl,news')
    os.remove(f'{work.name}/mirror/wmt19/test.tgz')
    refused(wmt19, 'wmt19/test.tgz is not available (mirror does not have it; https://data.statmt.org',
            'curl -L --create-dirs -o wmt/downloads/wmt19/test.tgz https://')
    assert tokenizer.read_meta(f'{work.name}/wmt') == meta                             # the old data is whole

class Server(http.server.BaseHTTPRequestHandler):
    """The mirror over HTTP, with a fault; `asked` holds what was asked for."""
    fault, asked = '', []

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, fault = pathlib.Path(work.name + self.path), Server.fault
        if fault == 'missing' or not path.exists():
            return self.send_error(404)
        data, first = path.read_bytes(), self.path not in Server.asked
        begin = int(self.headers.get('Range', 'bytes=0-')[6:-1])
        if self.command == 'GET':
            Server.asked.append(self.path)
        if fault == 'busy' and first:
            return self.send_error(503)
        begin, total = 0 if fault == 'norange' else begin, len(data)
        if fault == 'flip':
            data = data[:total // 2] + bytes([data[total // 2] ^ 1]) + data[total // 2 + 1:]
        self.send_response(206 if begin else 200)
        self.send_header('ETag', '"1"')
        for _ in range({'nolength': 0, 'twice': 2}.get(fault, 1)):
            self.send_header('Content-Length', str(total - begin))
        if fault == 'gzipped':
            self.send_header('Content-Encoding', 'gzip')
        self.end_headers()
        if self.command == 'GET':
            end = total // 2 if fault in ('cut', 'norange', 'stall') and first else total
            self.wfile.write(data[begin:end])
            if fault == 'stall' and first:
                self.wfile.flush()
                time.sleep(1)

def test_a_network_at_its_worst():
    """Each fault ends in the right files, or in one line that says how to help; nothing is fetched twice."""
    mirror()
    run(WMT19 + '--data_dir=wmt')
    impatient = write('impatient.py', f"""import sys; sys.path.insert(0, {str(here)!r})
import prepare
wait = prepare.time.sleep
prepare.time.sleep = lambda seconds: wait(seconds / 10)
prepare.TIMEOUTS = 5, 0.3
if __name__ == '__main__':      # not in the workers, which import this file where python does not fork
    prepare.run_script(prepare.main, vars(prepare))
""")
    with http.server.ThreadingHTTPServer(('localhost', 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        online = f'--dataset=wmt19 --mirror=http://localhost:{server.server_port}/mirror --data_dir=online'
        command = [impatient, *online.split()]
        for Server.fault in '', 'cut', 'busy', 'norange', 'gzipped', 'twice', 'nolength', 'stall':
            shutil.rmtree(f'{work.name}/online', ignore_errors=True)
            Server.asked.clear()
            out, _ = run([*command, '--verify=false'])
            with unittest.mock.patch.dict(os.environ, ALONE):
                assert ('no GPU was found here' in out) == (not prepare.has_gpu()) and ' MB' in out
            for name in tokenizer.read_meta(f'{work.name}/wmt')['files']:
                assert lines(f'online/{name}') == lines(f'wmt/{name}'), (Server.fault, name)
            again = 1 if Server.fault in ('', 'gzipped', 'twice', 'nolength') else 2
            assert sorted(collections.Counter(Server.asked).values()) == [again] * 4, Server.asked
        run([*command, '--verify=false'])
        assert len(Server.asked) == 8                                                  # not one more
        for Server.fault, verify, why in ('flip', 'true', 'bytes instead'), ('missing', 'false', 'HTTP 404'):
            shutil.rmtree(f'{work.name}/online/downloads')
            place = ('curl -L --create-dirs -o online/downloads/wmt19/europarl-v9.de-en.tsv.gz '
                     'https://www.statmt.org')
            refused([*command, f'--verify={verify}'], server.server_name, why, place)
            assert not list(pathlib.Path(work.name, 'online/downloads').rglob('*.gz'))
        server.shutdown()
    assert lines('online/train.de') == lines('wmt/train.de')

def test_whether_there_is_a_gpu_without_torch():
    def found(paths=(), programs=(), system='Linux', machine='x86_64', visible=None):
        environment = {} if visible is None else {'CUDA_VISIBLE_DEVICES': visible}
        with contextlib.ExitStack() as stack:
            for name, fake in [('glob.glob', lambda pattern: [path for path in paths if 'nvidia' in path]),
                               ('os.path.exists', paths.__contains__), ('platform.system', lambda: system),
                               ('shutil.which', lambda program: program if program in programs else None),
                               ('platform.machine', lambda: machine), ('os.environ', environment)]:
                stack.enter_context(unittest.mock.patch(f'prepare.{name}', fake))
            return bool(prepare.has_gpu())
    assert not found() and not found(system='Darwin') and not found(machine='arm64')
    assert found(['/dev/nvidia3']) and found(programs=['nvidia-smi']) and found(['/dev/kfd'])
    assert found(system='Darwin', machine='arm64') and found(['/dev/nvidia0'], visible='0')
    assert not found(['/dev/nvidia0'], visible='') and not found(['/dev/nvidia0'], visible='-1')

def test_sizes_that_a_server_announces():
    for said, size in [('10', 10), ('10, 10', 10), ('', 0), ('abc', 0), ('-5', 0), ('1e3', 0), ('٣', 0),
                       ('9' * 5000, 0)]:
        response = prepare.requests.Response()
        response.headers['Content-Length'] = said
        assert prepare.body_size(response) == size, said
    assert prepare.body_size(prepare.requests.Response()) == 0

def test_a_download_goes_on_where_it_stopped():
    """What is there of a file of the same version is not asked for again; of another version all is."""
    asked = []
    class Response:
        headers, raw = {}, None
        def __enter__(self):
            return self
        def __exit__(self, *error):
            pass
    def get(url, headers, **how):
        asked.append({name: headers.get(name) for name in ('Range', 'If-Range')})
        rest, response = headers.get('If-Range') == '"2"', Response()
        response.status_code = 206 if rest else 200
        response.raw = type('Raw', (), {'read': lambda _, size, parts=[b'', b'56' if rest else b'123456'],
                                        decode_content=None: parts.pop()})()
        response.headers = {'ETag': '"2"', 'Content-Length': '2' if rest else '6'}
        return response
    part, true = f'{work.name}/file.part', prepare.requests.get
    prepare.requests.get = get
    try:
        for old, version in (b'1234', '"2"'), (b'abcd', '"1"'), (b'abcd', ''):
            write('file.part', old)
            write('file.part.tag', version)
            assert prepare.download('http://localhost/file', part) == ''
            assert open(part, 'rb').read() == b'123456'
    finally:
        prepare.requests.get = true
    assert asked == [{'Range': 'bytes=4-', 'If-Range': '"2"'}, {'Range': 'bytes=4-', 'If-Range': '"1"'},
                     {'Range': None, 'If-Range': None}]

def test_small_sets_in_any_direction():
    mirror()
    run('prepare.py --dataset=multi30k --mirror=mirror --verify=false --data_dir=m30k'
        ' --source_lang=en --target_lang=fr')
    assert lines('m30k/train.en') == ['train en one', 'train en & two']
    assert lines('m30k/test.fr') == ['test_2016_flickr fr one', 'test_2016_flickr fr &amp; two']    # as it is
    run('prepare.py --dataset=tatoeba --mirror=mirror --source_lang=en --target_lang=de --data_dir=tatoeba')
    train, valid, test = (lines(f'tatoeba/{split}.en') for split in ('train', 'valid', 'test'))
    assert len(valid) == len(test) == 4 == len(set(valid + test)) - 4
    assert len(train) == 80 - 2 * 8 and not set(train) & set(valid + test)        # all have two translations
    refused('prepare.py --dataset=tatoeba --source_lang=fr --target_lang=de', 'must be en')
    refused('prepare.py --dataset=multi30k --target_lang=xx', 'xx', 'fr')

def prepared(flags):
    """Run prepare.py into the folder `own`, quickly. Returns training pairs, report and warnings."""
    status, out, err = run_forked(f'prepare.py --workers=1 --data_dir=own {flags}', '')
    assert status == 0 and 'Traceback' not in err, err
    return list(zip(lines('own/train.de'), lines('own/train.en'))), out, err

def test_own_files():
    de, en = (''.join(f'{word} {i}.\n' for i in range(60)) for word in ('Satz', 'Sentence'))
    for ending, pack in ('.gz', gzip.compress), ('.bz2', bz2.compress), ('.xz', lzma.compress):
        write(f'my.de{ending}', pack(de.encode()))
    write('my.en', en)
    for ending in '.gz', '.bz2', '.xz':                                     # files are named, so files it is
        pairs, out, _ = prepared(f'--train_source=my.de{ending} --train_target=my.en')
        assert len(pairs) == 54 and 'taken for de (--source_lang) and en (--target_lang)' in out
        assert len(lines('own/valid.en')) == len(lines('own/test.en')) == 3
    files = 'prepare.py --dataset=files --data_dir=own --train_source=my.de.gz --train_target='
    write('short.en', en[:-13])
    refused(files + 'short.en', 'short.en', '60', '59')
    write('latin.en', 'Sentence.\n'.encode() * 3 + 'Café.\n'.encode('latin1') + b'x\n' * 56)
    refused(files + 'latin.en', 'latin.en', 'line 4', 'UTF-8')
    write('empty.en', '')
    refused(files + 'empty.en', 'empty.en')
    refused(files + 'missing.en', 'missing.en')
    refused(files + 'own/train.en', 'own/train.en', '--data_dir')           # which it would overwrite
    write('my.en.tar.gz', tgz({'my.en': en}))
    refused(files + 'my.en.tar.gz', 'my.en.tar.gz', 'archive')
    refused(files, '--train_target')
    refused('prepare.py --dataset=toy --train_source=my.de.gz', '--train_source', '--dataset=files')
    refused(files + 'my.en --overlap=some', 'none, targets, all')
    for name, data in [('cut.en.gz', gzip.compress(en.encode())[:-9]),
                       ('flip.en.bz2', bz2.compress(b'x' * 99)),
                       ('flip.en.xz', lzma.compress(b'x' * 99)), ('plain.en.gz', en.encode()),
                       ('holes.en.gz', gzip.compress(bytes(40_000_000)))]:
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 8 * name.startswith('flip')
        write(name, bytes(flipped))
        refused(files + name, f'{name} is damaged')

def test_archives_that_lie():
    """Whatever a damaged archive makes Python raise, or read for ever, it is one line."""
    text = b'Eins.\nZwei.\n' * 500
    def tar(info, header=b''):
        info.size = info.size or len(text)
        return gzip.compress(header + info.tobuf(tarfile.GNU_FORMAT) + text + bytes(1024))
    def member(**attributes):
        info = tarfile.TarInfo('m')
        for name, value in attributes.items():
            setattr(info, name, value)
        return info
    def pax(record):
        data = f'{len(record) + 4} {record}\n'.encode()
        return member(name='x', type=b'x', size=len(data)).tobuf() + data.ljust(512, b'\0')
    sparse = bytearray(member(type=tarfile.GNUTYPE_SPARSE, size=512).tobuf(tarfile.GNU_FORMAT))
    sparse[386:410], sparse[483:495] = b'00000000000\0' + b'00000001000\0', b'77777777777\0'    # 512 of 8 GiB
    sparse[148:156] = b' ' * 8
    sparse[148:156] = b'%06o\0 ' % sum(sparse)
    archives = {'whole.tgz': tar(member(name='./m')), 'years.tgz': tar(member(name='other', size=1 << 60)),
                'minus.tgz': tar(member(name='other'), pax('size=-4096')),
                'none.tgz': tar(member(name='other')), 'map.tgz': tar(member(), pax('GNU.sparse.map=1,x')),
                'sparse.tgz': gzip.compress(bytes(sparse) + text),
                'link.tgz': tar(member(type=tarfile.SYMTYPE, linkname='m'))}
    for method, name in [(zipfile.ZIP_BZIP2, 'bzip2.zip'), (zipfile.ZIP_LZMA, 'lzma.zip')]:
        data = io.BytesIO()
        with zipfile.ZipFile(data, 'w', method) as archive:
            archive.writestr('m', text)
        archives[name] = data.getvalue()[:60] + b'damaged' + data.getvalue()[67:]
    for flag in 0x01, 0x20:                         # encrypted; patched data
        place = data.getvalue().index(b'PK\1\2') + 8
        archives[f'{flag}.zip'] = data.getvalue()[:place] + bytes([flag]) + data.getvalue()[place + 1:]
    for name, data in archives.items():
        path, error = write(name, data), io.StringIO()
        try:
            with contextlib.redirect_stderr(error):
                read = '\n'.join(prepare.read_member(path, 'm')) + '\n'
            assert name == 'whole.tgz' and read == text.decode(), name
        except SystemExit as end:
            said = error.getvalue()
            assert name != 'whole.tgz' and end.code == 2 and said.count('\n') == 1 and 'damaged' in said, said

def test_bytes_that_are_not_utf8():
    """A stray one costs its pair, whatever the layout; more than one line in 1,000 is another encoding."""
    rows = [(f'Satz {i} ist gut.', f'Sentence {i} is good.') for i in range(1500)]
    de, en = ('\n'.join(side).encode() for side in zip(*rows))
    write('stray.de', de.replace(b'Satz 7 ist', b'S\xe4tz 7 ist'))
    write('stray.en', en)
    write('stray.tsv', '\n'.join(map('\t'.join, rows)).encode().replace(b'Satz 7 ist', b'S\xe4tz 7 ist'))
    for flags in '--train_source=stray.de --train_target=stray.en', '--train_source=stray.tsv':
        pairs, _, _ = prepared(flags)
        dropped = tokenizer.read_meta(f'{work.name}/own')['corpora']['files']['dropped']
        assert set(pairs) < set(rows) and rows[7] not in pairs and dropped['encoding'] == 1
        assert len(pairs) == 1500 - 1 - 2 * 75
    for name, data in [('two.de', de.replace(b'Satz 7', b'S\xe4tz 7').replace(b'Satz 9.', b'S\xe4tz 9.')),
                       ('utf16.de', de.decode().encode('utf-16')),      # UTF-8 but for two bytes, with NUL
                       ('utf16be.de', de.decode().encode('utf-16-be'))]:
        write(name, data.replace(b'Satz 8 ist', b'S\xe4tz 8 ist'))
        refused(f'prepare.py --data_dir=own --train_source={name} --train_target=stray.en', name, 'iconv')

def test_tables_tmx_and_sgm_of_ones_own():
    """The layouts that tools write: further columns, inline markup, several variants of a language."""
    units = [
        ('<tuv xml:lang="EN-US"><seg>Press <ph x="1">&lt;F1&gt;</ph><bpt i="1">{\\b </bpt>now'
         '<ept i="1">}</ept>.</seg></tuv><tuv xml:lang="de-DE"><seg>Jetzt <it pos="begin">&lt;b></it>'
         '<hi>F1</hi> drücken<ph/>.</seg></tuv>', ('Jetzt F1 drücken .', 'Press now.')),
        ('<tuv xml:lang="en-GB"><seg>The colour.</seg></tuv><tuv xml:lang="en"><seg>The color.</seg></tuv>'
         '<tuv xml:lang="de"><seg>Die Farbe.</seg></tuv><tuv xml:lang="de"><seg>Der Farbton.</seg></tuv>',
         ('Die Farbe.', 'The color.')),
        ("<tuv lang='DE'>\n<prop>x</prop>\n<seg>Ein &amp; <ph>a<sub>Bild<ph>x</ph></sub>b</ph>zwei &lt;"
         "&#65;\n&gt;</seg></tuv><tuv creationid='me' lang = 'en_US'><seg>A &amp; B.</seg></tuv>",
         ('Ein & zwei <A >', 'A & B.')),
        ('<tuv xml:lang="fil"><seg>none of ours</seg></tuv><tuv xml:lang="de"><seg/></tuv>'
         '<tuv xml:lang="en"><seg>No German.</seg></tuv>', '')]
    tmx_text = '<?xml version="1.0"?><tmx version="1.4"><header/><body>{}</body></tmx>'
    one_line = tmx_text.format(''.join(f'<tu tuid="1"><note>n</note>{unit}</tu>' for unit, _ in units))
    write('own.TMX.bz2', bz2.compress(one_line.encode()))
    write('held.tsv', '1\tWert.\t2\tValue.\tCC-BY\n3\tNoch einer.\t4\tAnother.\n')
    held = '--valid_source=held.tsv --test_source=held.tsv --columns=2,4'
    pairs, _, _ = prepared(f'--train_source=own.TMX.bz2 {held}')
    assert pairs == [pair for _, pair in units if pair]
    assert lines('own/valid.de') == ['Wert.', 'Noch einer.']
    assert lines('own/test.en') == ['Value.', 'Another.']
    write('cut.tmx', one_line[:-20])
    refused(f'prepare.py --data_dir=own --train_source=cut.tmx {held}', 'cut.tmx is damaged', 'no end')
    refused(f'prepare.py --data_dir=own --train_source=cut.tmx --train_target=x {held}', 'both sides')
    refused('prepare.py --data_dir=own --train_source=held.tsv --columns=0,1', '--columns=0,1')
    write('own.sgm', '<doc>\n<p> <seg id="1">Eins &amp; zwei.</seg> <SEG id=2>\nDrei.</SEG>\n</p>\n</doc>')
    write('own.en', 'One & two.\nThree.\n')
    for flags, source in ('', 'Eins &amp; zwei.'), ('--decode_entities', 'Eins & zwei.'):
        pairs, _, _ = prepared(f'--train_source=own.sgm --train_target=own.en {held} {flags}')
        assert pairs == [(source, 'One & two.'), ('Drei.', 'Three.')]

def test_text_that_is_not_what_was_asked_for():
    """Each gets a model, or a line that names the reason and the flag."""
    texts = {'half_de': 'Satz {0}.', 'half_en': '{2} {0}.', 'answers': 'Answer {1}.',
             'questions': '\x1b[31mQuestion\x9b {0}?\x07',
             'de': 'Der Nachbar Nummer {0} hat das Haus gesehen.',
             'en': 'The neighbour number {0} has seen the house.', 'cs': 'Soused {0} je to a my do.',
             'zh': '这是第{0}个句子，我们在这里学习翻译。', 'zh_words': '这 是 第 {0} 个 句子 。'}
    for name, text in texts.items():
        write(name, ''.join(text.format(i, i % 12, ('Satz', 'Sentence')[i % 2]) + '\n' for i in range(200)))
    pairs, _, err = prepared('--train_source=half_de --train_target=half_en')
    for split in 'valid', 'test':                       # they have passed the filter
        assert all(line.startswith('Sentence') for line in lines(f'own/{split}.en')), split
    assert len(pairs) == 80 and '100 of the 200 pairs' in err and '--drop_identical=false' in err
    files = 'prepare.py --data_dir=own --train_source={} --train_target={} '
    refused(files.format('questions', 'answers'), '200 held out', '--overlap=targets')
    pairs, out, _ = prepared('--train_source=questions --train_target=answers --overlap=targets')
    assert ' [31mQuestion ' in out and out.replace('\n', '').isprintable()      # no commands for a terminal
    assert len(pairs) == 180 and not {source for source, _ in pairs} & set(lines('own/valid.de'))
    same = ' '.join(f'--{split}_source=de --{split}_target=en' for split in tokenizer.SPLITS)
    refused(f'prepare.py --data_dir=own {same}', '200 held out', '--overlap=all')
    pairs, _, _ = prepared(same + ' --overlap=all')
    assert [source for source, _ in pairs] == lines('own/valid.de') == lines('own/test.de') == lines('de')
    refused(files.format('en', 'de'), 'swapped', '--train_source', '--source_lang')
    refused(files.format('de', 'en') + '--valid_source=en --valid_target=de', 'swapped', '--valid_source')
    refused(files.format('cs', 'en'), '200 language', '--source_lang')
    for source, lang, warned in ('zh', 'zh', 1), ('zh_words', 'zh', 0), ('de', 'de', 0):
        _, _, err = run_forked(files.format(source, 'en') + f'--source_lang={lang}', '')
        assert ('spaces between words' in err) == warned, err

def test_filters():
    """Each drops what it is there for, keeps what only looks like it, and can be switched off."""
    prepare.init_worker({}, ({'Held out.'}, {'Kept back.'}))
    def reason(source, target):
        texts = source, target
        return prepare.rejection_reason(texts, [text.split(' ') for text in texts])
    long, defaults = ' '.join(['word'] * 128), tokenizer.config_of(vars(prepare))
    assert reason('Guten Tag.', 'Hello.') == reason('Es ist 9:15.', "It's 9:15.") == 'kept'
    assert reason('', 'a') == reason('a', '') == 'empty'
    assert reason('Held out.', 'b') == reason('b', 'Kept back.') == 'held out'
    assert reason('Die Katze mag das Lied "The Sound of Silence".', 'The cat likes the song.') == 'kept'
    assert reason('Nur vier Wörter in "The of and to"', 'Only four words') == 'language'
    assert reason('The of and to', 'Only four words') == 'kept'
    assert reason('Mann mit Hut reitet auf einem Pferd.', 'Man wearing hat rides brown horse.') == 'kept'
    assert reason('Gieß mir Tee ein.', 'Please pour me some tea, son.') == 'kept'     # which are French too
    assert reason('Ein \ufffd.', 'A sign.') == reason('Ein Zeichen.', 'A \ufffd.') == 'encoding'
    for expected, off, source, target in [
            ('length', 'max_len=0', long + ' mehr', long),
            ('ratio', 'max_ratio=0', 'a b c', '1 2 3 4 5 6 7 8 9 x'), ('word', 'max_word=0', 'x' * 41, 'y'),
            ('letters', 'min_latin=0', 'Привет, мир!', 'Hello, world!'),
            ('letters', 'min_latin=0', '(1) + (2)', '(1) + (2) ='),
            ('identical', 'drop_identical=', 'Berlin', 'Berlin'),
            ('language', 'drop_foreign=', 'He is not in the house.', 'She is not in it.'),
            ('language', 'drop_foreign=', 'Er ist nicht da.', 'Elle est dans la maison avec son frère.')]:
        name, _, value = off.partition('=')
        assert reason(source, target) == expected, (expected, source)
        prepare.init_worker({name: type(defaults[name])(value)}, (set(), set()))
        assert reason(source, target) == 'kept', (expected, source)
        prepare.init_worker(defaults, (set(), set()))
    assert reason('a b c d', '1 2 3 4 5 6 7 8 9 x') == 'kept' == reason(long, long + 's')

def test_a_sample_is_one_of_the_whole():
    """Each pair is as likely, none changes its place, and a smaller sample lies in a larger one."""
    def sample_of(limit):
        blocks = ([np.zeros(100, prepare.RECORD),
                   *(np.array([f'{side}{i}' for i in range(n, n + 100)], object) for side in 'st')]
                  for n in range(0, 5000, 100))
        pairs = [pair for _, *sides in prepare.sample_pairs(blocks, limit) for pair in zip(*sides)]
        assert all(source[1:] == target[1:] for source, target in pairs)
        return [int(source[1:]) for source, _ in pairs]
    prepare.data_dir, before = work.name, prepare.data_dir
    try:
        assert sample_of(0) == sample_of(5000) == sample_of(9999) == list(range(5000))
        small, large = sample_of(1000), sample_of(2000)
        assert len(small) == 1000 and small == sorted(small) and set(small) < set(large)
        counts, _ = np.histogram(small, 10, (0, 5000))
        assert ((counts - 100) ** 2 / 90).sum() < 28            # 9 degrees of freedom: 0.1 %
        assert len(sample_of(1)) == 1
    finally:
        prepare.data_dir = before

def test_hash_set_is_a_set():
    seen, known, rng = prepare.HashSet(), set(), np.random.default_rng(0)
    for _ in range(300):
        numbers = rng.integers(0, 20000, rng.integers(0, 200)).astype('u8')
        new = []
        for number in numbers.tolist():
            new.append(number not in known)
            known.add(number)
        assert seen.add(numbers).tolist() == new
    assert sum(map(len, seen.arrays)) == len(known) and len(seen.arrays) < 12

def test_the_result_is_the_same_for_any_number_of_workers():
    rng = random.Random(0)
    pairs = [f'{rng.randrange(9000)} Bäume.' for _ in range(9000)]                 # a third are duplicates
    write('many.de', '\n'.join(pairs) + '\n')
    write('many.en', '\n'.join(pair.replace('Bäume', 'trees') for pair in pairs) + '\n')
    files = 'prepare.py --dataset=files --train_source=many.de --train_target=many.en --data_dir=many '
    results = []
    for workers in 1, 3:
        run(files + f'--max_pairs=4000 --workers={workers}')
        run(f'tokenizer.py --data_dir=many --workers={workers}')
        results.append({path.name: path.read_bytes() for path in pathlib.Path(work.name, 'many').iterdir()})
    differ = {name for name in results[0] if results[0][name] != results[1][name]}
    assert differ == {'meta.json'}                                                 # the number of workers
    assert len(set(lines('many/train.de'))) == 4000
    write('bad.de', 'gleich\n' * 5000 + 'Gut.\n' * 100)                          # whole blocks are dropped
    write('bad.en', 'gleich\n' * 5000 + 'Good.\n' * 100)
    run(files.replace('many.', 'bad.') + '--max_pairs=0 --valid_source=many.de --valid_target=many.en '
        '--test_source=many.de --test_target=many.en --drop_duplicates=false --data_dir=bad')
    assert len(lines('bad/train.de')) == 100
    counts = [tokenizer.read_meta(f'{work.name}/many')['corpora']['files']]
    run(files + '--drop_duplicates=false')
    counts.append(tokenizer.read_meta(f'{work.name}/many')['corpora']['files'])
    assert counts[0]['kept'] == 4000 and counts[0]['dropped']['duplicate'] > 500
    assert counts[1]['read'] == 9000 and not counts[1]['dropped']['duplicate']

def test_two_at_once_one_stopped_one_without_room():
    toy = [sys.executable, str(here / 'prepare.py'), '--dataset=toy', '--data_dir=busy']
    how = dict(cwd=work.name, env={**os.environ, **ALONE}, text=True,
               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    two = [subprocess.Popen([*toy, '--max_pairs=2000'], **how) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in two]
    assert [process.returncode for process in two] == [0, 0] and 'waiting' in ''.join(printed)
    old = {path.name: path.read_bytes() for path in pathlib.Path(work.name, 'busy').iterdir()}
    interrupted = subprocess.Popen([*toy, '--max_pairs=2000000'], **how)
    while not list(pathlib.Path(work.name, 'busy').glob('train.de.*.tmp')):
        time.sleep(0.05)
    interrupted.send_signal(signal.SIGINT)
    _, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130 and err.count('\n') == 1 and 'as it was' in err, err
    full = write('full.py', f"""import resource, sys; sys.path.insert(0, {str(here)!r})
import prepare
resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))
if __name__ == '__main__':
    prepare.run_script(prepare.main, vars(prepare))
""")
    refused([full, '--dataset=toy', '--data_dir=busy', '--max_pairs=20000'], 'busy', 'train')
    assert {path.name: path.read_bytes() for path in pathlib.Path(work.name, 'busy').iterdir()} == old

def test_ctrl_c_within_a_destructor_is_not_lost():
    """Python prints and forgets what a __del__ raises, and regex has one for each pattern it compiles."""
    script = write('destroys.py', f"""import signal, sys, time; sys.path.insert(0, {str(here)!r})
from tokenizer import run_script
class Thing:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        self.name = 'gone'
n = 0       # nothing
def main(given):
    Thing()
    time.sleep(60)
run_script(main, globals())
""")
    began = time.monotonic()
    status, _, err = run_forked([script], '')
    assert (status, err) == (130, 'stopped\n') and time.monotonic() - began < 20

def test_ctrl_c_while_the_workers_of_a_limited_corpus_end():
    """The toy corpus has no end: when it stops, processes are waited for, and Ctrl-C then is not lost."""
    def parallel_map(function, blocks, *rest):
        try:
            yield from map(function, blocks)
        finally:
            raise KeyboardInterrupt                 # in the garbage collector it would be ignored
    true, prepare.parallel_map = prepare.parallel_map, parallel_map
    try:
        pairs = ((f'Satz {i}.', f'Sentence {i}.') for i in itertools.count())
        counts = {'endless': collections.Counter()}
        for _ in prepare.filter_corpus({'endless': pairs}, (set(), set()), 3000, counts):
            pass
    except KeyboardInterrupt:
        return
    finally:
        prepare.parallel_map = true
    assert False, 'the interrupt was lost'

def test_ids_and_vocabularies_change_together_or_not_at_all():
    """Ctrl-C, twice in a row, and kill -9 leave the tokenizer's old files and no process."""
    run('prepare.py --dataset=toy --max_pairs=20000 --data_dir=ids2')
    run('tokenizer.py --data_dir=ids2 --max_source_vocab=500')
    old = {path.name: path.read_bytes() for path in pathlib.Path(work.name, 'ids2').iterdir()}
    tokenize = [sys.executable, str(here / 'tokenizer.py'), '--data_dir=ids2', '--workers=2']
    for blow in signal.SIGINT, signal.SIGKILL:
        process = subprocess.Popen(tokenize, cwd=work.name, env={**os.environ, **ALONE}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        while not list(pathlib.Path(work.name, 'ids2').glob('train.en.bin.*.tmp')):    # de is done by then
            time.sleep(0.01)
        for _ in range(2 if blow == signal.SIGINT else 1):
            (os.killpg if blow == signal.SIGINT else os.kill)(process.pid, blow)
            time.sleep(0.05)
        _, err = process.communicate(timeout=20)        # which waits for all that hold its pipes
        if blow == signal.SIGINT:
            assert process.returncode == 130 and err.count('\n') == 1, err
        now = {path.name: path.read_bytes() for path in pathlib.Path(work.name, 'ids2').iterdir()}
        assert {name: content for name, content in now.items() if not name.endswith('.tmp')} == old
    run('tokenizer.py --data_dir=ids2 --max_source_vocab=500')
    assert {path.name: path.read_bytes() for path in pathlib.Path(work.name, 'ids2').iterdir()} == old

def test_progress():
    """Nothing for what is short, a line every ten seconds elsewhere than on a terminal."""
    now, true = [0.0], tokenizer.time.monotonic
    tokenizer.time.monotonic = lambda: now[0]
    try:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            bar = tokenizer.Progress('file', 'bytes', 500_000)
            for now[0] in 1.0, 2.5, 3.0, 11.0, 12.6, 40.0:
                bar.show(int(now[0] * 1e6 + 5e5), now[0] / 100)
            bar.close()
    finally:
        tokenizer.time.monotonic = true
    ends = [line.split('  ')[-1] for line in printed.getvalue().splitlines()]
    assert ends == ['3.0 MB, 1.0 MB/s, 0:01:57 left', '13.1 MB, 1.0 MB/s, 0:01:31 left',
                    '40.5 MB, 1.0 MB/s, 0:01:01 left']
    assert ' 40%  ' in printed.getvalue() and '[########            ]' in printed.getvalue()

def test_without_a_network_it_is_the_toy_corpus():
    _, err = run('prepare.py --max_pairs=100 --data_dir=offline')
    assert 'WMT19 COULD NOT BE REACHED' in err and 'THE BUILT-IN TOY CORPUS IS MADE INSTEAD' in err
    assert len(lines('offline/train.de')) == 100

def noun_phrase(word, determiner, adjective=None, many=0):
    """A noun phrase of the grammar by its English words."""
    cls, noun = next((cls, n) for cls, ns in grammar.NOUNS.items() for n in ns if n['en'][0] == word)
    det = next(d for d in grammar.DETERMINERS['plural' if many else 'singular'] if d['en'] == determiner)
    chosen = [a for a in grammar.ADJECTIVES[cls] if a['en'] == adjective]
    return dict(grammar.noun_phrase(noun, cls, det, many), adjectives=chosen)

def verb(word):
    return next(v for frames in grammar.FRAMES.values() for _, v in frames if v['en']['infinitive'] == word)

def test_grammar_says_the_same_in_three_languages():
    """Case, agreement, separable verbs, the perfect, verbs last, questions, elision: each by an example."""
    teacher, woman = noun_phrase('teacher', 'the', 'old'), noun_phrase('woman', 'a', 'young')
    children = noun_phrase('child', 'the', 'small', many=1)
    because = ['weil', 'because', 'parce que']
    gave = dict(subject=teacher, verb=verb('give'), tense='past', recipient=children,
                object=noun_phrase('letter', 'a', 'long'))
    calls = dict(subject=woman, verb=verb('call'), tense='present', object=teacher)
    slept = dict(subject=grammar.pronoun(1, True), verb=verb('sleep'), tense='past')
    arrived = dict(subject=noun_phrase('woman', 'the', many=1), verb=verb('arrive'), tense='past')
    must_call = dict(calls, auxiliary=grammar.MODALS[1])
    pupil = noun_phrase('pupil', 'the')
    eats = {'subject': dict(pupil, relativised=True), 'verb': verb('eat'), 'tense': 'present',
            'object': noun_phrase('egg', 'the'), 'negation': ['nicht', 'not', 'pas']}
    saw = dict(slept, verb=verb('see'), object=dict(pupil, relative_clause=eats))
    examples = [
        ('Der alte Lehrer hat den kleinen Kindern einen langen Brief gegeben.',
         'The old teacher gave a long letter to the small children.',
         'Le vieux professeur a donné une longue lettre aux petits enfants.', dict(clauses=[gave])),
        ('Eine junge Frau ruft den alten Lehrer an.', 'A young woman calls the old teacher.',
         'Une jeune femme appelle le vieux professeur.', dict(clauses=[calls])),
        ('Muss eine junge Frau den alten Lehrer anrufen?', 'Must a young woman call the old teacher?',
         "Est-ce qu'une jeune femme doit appeler le vieux professeur ?", dict(clauses=[must_call], question=True)),
        ('Eine junge Frau ruft den alten Lehrer an, weil sie geschlafen hat.',
         'A young woman calls the old teacher because she slept.',
         "Une jeune femme appelle le vieux professeur parce qu'elle a dormi.",
         dict(clauses=[dict(calls, conjunction=because, subordinate_first=False, subordinate=slept)])),
        ('Weil eine junge Frau den alten Lehrer anruft, sind die Frauen angekommen.',
         'Because a young woman calls the old teacher, the women arrived.',
         "Parce qu'une jeune femme appelle le vieux professeur, les femmes sont arrivées.",
         dict(clauses=[dict(arrived, conjunction=because, subordinate_first=True, subordinate=calls)])),
        ('Sie hat den Schüler gesehen, der das Ei nicht isst.', 'She saw the pupil who does not eat the egg.',
         "Elle a vu l'élève qui ne mange pas l'œuf.", dict(clauses=[saw]))]
    for *sentences, tree in examples:
        assert [grammar.realise(tree, lang) for lang in grammar.LANGS] == sentences

def test_grammar_is_large_and_unambiguous():
    def some(n):
        rng = random.Random(1)
        trees = (grammar.sample_tree(rng) for _ in range(n))
        return [tuple(grammar.realise(tree, lang) for lang in grammar.LANGS) for tree in trees]
    triples = some(20000)
    assert triples[:50] == some(50)
    assert len(set(triples)) > 19500
    assert set(grammar.ADJECTIVES) <= set(grammar.NOUNS)                          # else never sampled
    for side in range(3):
        said = [triple[side] for triple in triples]
        count = collections.Counter(word for text in said for word in re.findall(r'[^\W\d]+', text.lower()))
        assert sum(n > 1 for n in count.values()) >= 600                          # invented names occur once
        assert all((text[0].isupper() or not text[0].isalpha()) and text[-1] in '.?' for text in said)
    lengths = [len(english.split()) for _, english, _ in triples]
    assert min(lengths) <= 3 and max(lengths) > 90 and 8 < sum(lengths) / len(lengths) < 13
    for source, target in itertools.permutations(range(2), 2):
        translations = {}
        for triple in triples:
            assert translations.setdefault(triple[source], triple[target]) == triple[target]

# -----------------------------------------------------------------------------
# pictures

def test_chart_is_xml_with_every_label():
    series = [('training <loss> & more', [(0, 9.0), (100, 3.0), (200, math.nan)]),
              ('validation', [(0, 9.1), (200, 2.9)]), ('one', [(200, 2.95)]), ('none', [])]
    read = xml.etree.ElementTree.fromstring
    svg = read(plot.line_chart('Loss', 'steps', 'nats a word', series))
    texts = [(''.join(e.itertext()), float(e.get('y'))) for e in svg.iter() if e.tag.endswith('text')]
    labels = {text: y for text, y in texts}
    expected = {'Loss', 'steps', 'nats a word', 'training <loss> & more', 'validation', 'one', '0', '200'}
    assert expected | {'50'} <= set(labels) and 'none' not in labels
    ends = sorted(labels[name] for name, points in series if points)
    assert len(ends) == 3 and all(b - a >= 16 for a, b in zip(ends, ends[1:]))    # not on one another
    assert 'nan' not in plot.line_chart('', '', '', series) and len(read(plot.line_chart('', '', '', [])))
    crowd = [(f'name number {i}, far too long for its place', [(0, 1.0), (1, 1.0)]) for i in range(8)]
    svg = read(plot.line_chart('', '', '', crowd))
    ends = [float(e.get('y')) for e in svg.iter() if e.get('style', '').startswith('fill:')]
    assert len(set(ends)) == 8 and min(ends) > 0 and max(ends) < 380
    gap = plot.line_chart('', '', '', [('a', [(i, math.nan if i == 5 else i) for i in range(10)])])
    assert gap.count('<polyline') == 2 and gap.count('<circle') == 9        # a dot for each, if there is room
    crowd = plot.line_chart('', '', '', [('a', [(i, i) for i in range(100)])])
    assert crowd.count('<polyline') == crowd.count('<circle') == 1
    bleu = plot.line_chart('', 'steps', 'percent', [('BLEU', [(0, 0.006), (9, 30.0)])], from_zero=True)
    assert all(f'>{tick}<' in bleu for tick in (0, 10, 20, 30)) and '>0.1<' not in bleu     # not logarithmic

def test_only_text_without_room_is_cut():
    assert plot.shorten('illicit', 50) == 'illicit' and plot.shorten('MMMMMMM', 50) == 'MM…'
    title = 'Die alte Frau, die mein Lehrer gestern in der kleinen Stadt gesehen hat, schläft nicht.'
    assert title in plot.heat_map(title, 'source', 'translation', ['a'], ['b'], [[1.0]]).split('</title>')[1]

def test_chart_of_many_points_keeps_its_peaks():
    points = [(i, 1 + i % 7) for i in range(100_000)]
    points[55_555], points[77_777] = (55_555, 50.0), (77_777, -50.0)
    svg = plot.line_chart('', 'steps', '', [(name, points) for name in 'abcdefgh'])
    assert len(svg) < 300_000
    lines = re.findall(r'<polyline.* points="(.*)"', svg)
    ys = [float(place.split(',')[1]) for line in lines for place in line.split()]
    Y = plot.Axis([50, -50], 330, 56)
    assert min(ys) == Y(50) and max(ys) == Y(-50)

def test_axis_over_six_decades_is_logarithmic():
    Y = plot.Axis([1e-3, 1e3], 0, 600, may_be_log=True)
    assert Y.ticks == [1e-3, 1e-2, 0.1, 1, 10, 100, 1000] and [Y(t) for t in Y.ticks] == [*range(0, 601, 100)]
    assert not plot.Axis([0, 1e3], 0, 600, may_be_log=True).log and plot.Axis([5.0], 0, 600)(5.0) == 300

def test_bars_and_heat_map():
    read = xml.etree.ElementTree.fromstring
    bars = [('one & only', 10.0, 1.0), ('two', 20.0, 0), ('loss', -5.0, 2.0)]
    bars = read(plot.bar_chart('B', 'BLEU', bars))
    wide = [float(e.get('width')) for e in bars.iter() if e.get('class') == 'bar']
    assert abs(wide[1] / wide[0] - 2) < 0.01 and abs(wide[0] / wide[2] - 2) < 0.01
    assert sum(e.get('class') == 'whisker' for e in bars.iter()) == 2
    svg = read(plot.heat_map('H', 'source', 'translation', ['ein', '<b>', 'Hund'], ['a', 'dog'],
                             [[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]]))
    cells = [(e, e[0].text) for e in svg.iter() if e.get('class') == 'cell']
    assert [title for _, title in cells] == ['a ← ein: 0.900', 'a ← <b>: 0.100', 'dog ← <b>: 0.200',
                                             'dog ← Hund: 0.800']
    words = {e.text: (float(e.get('x')), float(e.get('y'))) for e in svg.iter() if e.tag.endswith('text')}
    assert words['source →'][1] < words['translation ↓'][1] < words['a'][1]
    for cell, title in cells:                                               # each in its row and its column
        row, column = title.split(':')[0].split(' ← ')
        x, y, size = (float(cell.get(name)) for name in ('x', 'y', 'width'))
        assert x < words[column][0] < x + size and y < words[row][1] < y + size

def test_page():
    header = {'config': {'dropout': 0.3}, 'parameters': 5, 'data': {'train.de': {'fingerprint': 'f00'}}}
    steps = [dict(step=i, loss=9 - i / 50, grad_norm=1.0, learning_rate=1e-3, tokens_per_second=500.0,
                  words=700, minutes=i, minutes_left=7.0) for i in range(1, 101)]
    def evaluation(step, output):
        return dict(step=step, valid_loss=8 - step / 50, valid_bleu=step / 10, minutes=step,
                    examples=[['Ein <script>', 'A <script>', output]])
    def page(running, *entries):
        entries = sorted(entries, key=lambda entry: entry['step'])
        write('page/log.jsonl', '\n'.join(map(json.dumps, [header, *entries])) + '\n')
        plot.draw_run(f'{work.name}/page', f'{work.name}/page', running)
        return pathlib.Path(work.name, 'page/index.html').read_text(encoding='utf-8')
    assert '<svg' in page(True)                                             # before the first step
    found = page(True, *steps, evaluation(50, 'A dog'), evaluation(100, 'A cat'))
    assert '<script' not in found and 'Ein &lt;script&gt;' in found and 'http-equiv="refresh"' in found
    assert 'A <ins>cat</ins>' in found and '<b>6.0000</b>' in found and 'f00' in found
    assert found.count('<svg') == 5 and 'src=' not in found and '<link' not in found
    assert 'refresh' not in page(False, *steps, evaluation(50, 'A dog'))
    evaluations = [evaluation(i, f'A dog {i}') for i in range(40)]
    outputs = re.findall('<td>step (.+?)</td>', page(False, *evaluations))
    assert outputs == ['0', '1', '3', '8', '18', '39']                  # the first, the last, some between
    for name, dropout in ('a', 0.1), ('b', 0.2):
        entries = [{**header, 'config': {'dropout': dropout, 'seed': 1}}, *steps, evaluation(100, '')]
        write(f'{name}/log.jsonl', '\n'.join(map(json.dumps, entries)) + '\n')
    for by, at in ('steps', '100'), ('tokens', '70,000'), ('hours', '2'):
        plot.draw_runs([f'{work.name}/a', f'{work.name}/b'], by, work.name)
        svg = pathlib.Path(work.name, 'runs.svg').read_text(encoding='utf-8')
        assert 'dropout=0.1' in svg and 'dropout=0.2' in svg and 'seed' not in svg and f'>{at}<' in svg
    for label in 0.1, 'far too long for the end of a line, where names stand':      # equal, or without room
        write('b/log.jsonl', '\n'.join(map(json.dumps, [{'config': {'dropout': label, 'seed': 1}},
                                                        evaluation(100, '')])) + '\n')
        plot.draw_runs([f'{work.name}/a', f'{work.name}/b'], 'steps', work.name)
        svg = pathlib.Path(work.name, 'runs.svg').read_text(encoding='utf-8')
        assert '>a</text>' in svg and '>b</text>' in svg and 'dropout' not in svg       # named by folder

def test_log_line_that_is_damaged_is_named():
    header, first, evaluation = '{"config": {}}', '{"step": 0, "loss": NaN}', '{"step": 5, "loss": 1e999}'
    for number, lines in [(1, ['no JSON']), (1, [first]), (1, ['[]']), (1, ['{"config": 1}']),
                          (3, [header, first, 'null']), (2, [header, '{"loss": 1}']), (3, [header, first, '{']),
                          (2, [header, '{"step": "1"}']), (2, [header, '{"step": 1, "loss": "2"}']),
                          (2, [header, '{"step": 0, "examples": [["a", "b"]]}']), (2, [header, '[' * 100000]),
                          (4, [header, first, evaluation, header]),         # the lines of two runs
                          (4, [header, first, evaluation, first])]:
        write('damaged/log.jsonl', '\n'.join(lines) + '\n')
        refused('plot.py --out_dir=damaged', f'damaged/log.jsonl is damaged: line {number} ')
    write('damaged/log.jsonl', '\n'.join([header, first, evaluation, '{"step": 6']))   # a kill in the last line
    assert [entry.get('step') for entry in plot.read_log(f'{work.name}/damaged')] == [None, 0, 5]
    plot.draw_run(f'{work.name}/damaged', f'{work.name}/damaged')           # what is not finite is a gap

def test_plot_flags_without_effect_and_its_folder():
    for flags, word in [('--by=hours', '--runs'), ('--text=a', '--attention'), ('--beam_size=3', '--beam'),
                        ('--attention --text=a --beam_size=3', '--beam'), ('--runs=,', '--runs'),
                        ('--beam --text=a --beam_size=1000000', 'from 1 to 100')]:
        refused('plot.py ' + flags, word)
    assert [plot.plot_dir_of(*dirs) for dirs in (('checkpoints/', ''), ('runs/a', ''), ('runs/a', 'b'))] == [
        'training_plots', 'runs/a/training_plots', 'b']

def test_ticks_are_round():
    assert [round(t, 9) for t in plot.round_ticks(0.13, 0.97)] == [0.2, 0.4, 0.6, 0.8]
    assert plot.round_ticks(0, 2000) == [0, 500, 1000, 1500, 2000]
    found = [plot.format_number(n) for n in (0, 1500, 0.5, 250e3, 2.5e6, 1e-7)]
    assert found == ['0', '1,500', '0.5', '250k', '2.5M', '1e-07']

# -----------------------------------------------------------------------------
# the whole line, as a reader types it

def test_text_in_translation_out():
    """The toy corpus, a small model, some steps; losses fall; a run broken off goes on as if it were not."""
    run('prepare.py --dataset=toy --max_pairs=3000')
    run('tokenizer.py')
    tiny = ('--n_embd=32 --n_hidden=64 --dropout=0.1 --max_steps=60 --warmup_steps=10 --learning_rate=0.01 '
            '--eval_interval=20 --log_interval=10 --device=cpu --dtype=float32')
    out, _ = run('train.py ' + tiny)
    assert out.count('    source ') == 12 and 'tokens/s' in out
    log = plot.read_log(f'{work.name}/checkpoints')
    assert log[0]['config']['n_embd'] == 32 and log[0]['parameters'] > 0
    losses = [entry['valid_loss'] for entry in log if 'valid_loss' in entry]
    assert len(losses) == 4 and losses[-1] < losses[0] - 0.5
    assert all(0 <= entry['valid_bleu'] <= 100 for entry in log if 'valid_loss' in entry)
    xml.etree.ElementTree.parse(f'{work.name}/training_plots/loss.svg')
    assert 'refresh' not in open(f'{work.name}/training_plots/index.html', encoding='utf-8').read()
    run(['plot.py', '--attention', '--text=Der Quarkfresser schläft.'])
    svg = open(f'{work.name}/training_plots/attention.svg', encoding='utf-8').read()
    assert 'Quarkfresser' in svg and svg.count('&lt;eos&gt;<') >= 1
    run(['plot.py', '--beam', '--beam_size=3', '--text=Der Quarkfresser schläft.'])
    svg = xml.etree.ElementTree.parse(f'{work.name}/training_plots/beam.svg')
    drawn = [(e.get('class'), e.text) for e in svg.iter() if e.tag.endswith('text') and e.get('class')][1:]
    found = [word for kind, word in drawn if kind == 'winner']
    title = svg.getroot()[0].text
    assert len(found) >= len(title.split()) and all(word.strip('<>￭')[:9] in title + 'eos' for word in found)
    assert sum(kind != 'pruned' for kind, _ in drawn[:6]) == 3              # of twice three considered

    # Ctrl-C at step 45, then the rest
    breaks_off = write('breaks_off.py', f'''import signal, sys; sys.path.insert(0, {str(here)!r})
import train
true = train.learning_rate_at
def learning_rate_at(step, done):
    if step == 45: signal.raise_signal(signal.SIGINT)
    return true(step, done)
train.learning_rate_at = learning_rate_at
train.run_script(train.main, vars(train))
''')
    def read(folder):
        return sample.read_checkpoint(f'{work.name}/{folder}/last.pt')
    def logged(folder):
        entries = plot.read_log(f'{work.name}/{folder}')[1:]
        return [(e['step'], e.get('loss'), e.get('valid_loss')) for e in entries]
    out, _ = run([breaks_off, '--out_dir=again', *tiny.split()], status=130)
    assert read('again')['step'] == 46 and out.endswith('python train.py --resume --out_dir=again\n')
    assert sample.read_checkpoint(f'{work.name}/again/best.pt')['step'] == 46 == logged('again')[-1][0]
    full = write('full.py', f'''import resource, signal, sys; sys.path.insert(0, {str(here)!r})
import train
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
train.run_script(train.main, vars(train))
''')
    refused([full, '--out_dir=again', '--resume'], 'again/', 'disk full')
    run('train.py --out_dir=again --resume')
    whole, again = read('checkpoints'), read('again')
    assert whole['step'] == again['step'] == 60 and whole['best_loss'] == again['best_loss']
    assert all(torch.equal(whole['model'][name], again['model'][name]) for name in whole['model'])
    assert len(logged('again')) == 10 and logged('checkpoints') == logged('again')
    run('train.py --out_dir=again --resume --max_steps=61 --weight_decay=0.5 --scratch')
    assert read('again')['optimizer']['param_groups'][0]['weight_decay'] == 0.5

    # translations
    ask = 'sample.py --device=cpu --dtype=float32 '
    text = 'Der alte Mann schläft.\nZwei Hunde laufen.'
    both, _ = run([*ask.split(), f'--text={text}'])
    assert both.count('\n') == 2
    assert run(ask, input=text + '\n')[0] == both
    saved = sample.read_checkpoint(f'{work.name}/checkpoints/best.pt')
    del saved['model_config']['manual_backward']            # as if this setting were newer than the checkpoint
    torch.save(saved, f'{work.name}/older_config.pt')
    net, *vocabs = sample.load(f'{work.name}/older_config.pt')
    assert [best for (best, _), in sample.translate(text.split('\n'), net, *vocabs)] == both.splitlines()
    write('in.de', text + '\n\n')
    run(ask + '--input=in.de --output=out.en --batch_size=1')
    assert not os.path.exists(f'{work.name}/out.en.part')
    write('again.en.part', 'as it was\nhalf of')
    run(ask + '--input=in.de --output=again.en --resume')
    assert lines('again.en') == ['as it was', *lines('out.en')[1:]]
    assert 'nothing to resume' in run(ask + '--input=in.de --output=again.en --resume')[1]
    write('more.en.part', 'of\nanother\nlonger\ntext\n')
    refused(ask + '--input=in.de --output=more.en --resume', 'more.en.part')
    refused(ask + '--input=in.de --output=in.de', 'in.de')
    refused(ask + '--input=more.en.part --output=more.en', 'more.en.part')
    run(ask + '--input=in.de --output=three.en --n_best=2')
    assert [line.partition('\t')[2] for line in lines('three.en')[::2]] == lines('out.en')
    write('four.en.part', '-1\tof the first\n-2\tits second\n-1\tof the second, whose second is miss')
    run(ask + '--input=in.de --output=four.en --n_best=2 --resume')
    assert lines('four.en') == ['-1\tof the first', '-2\tits second', *lines('three.en')[2:]]
    one = [*ask.split(), '--beam_size=3', '--replace_unknown=false', '--text=Der alte Mann schläft.']
    out, _ = run([*one, '--explain'])
    steps = [step.splitlines()[1:] for step in out.split('\nstep ')[1:-1]]
    assert all(sum('pruned' not in line and 'here' not in line for line in step) <= 3 for step in steps)
    held = [sum('the winner' in line for line in step) for step in steps]
    assert held == sorted(held, reverse=True) and held[0] == 1 == max(held)         # until it has ended
    best, = run(one)[0].splitlines()
    assert f'best      {best} ' in out and out.count('┌') == 5 + 1
    sampled = run([*ask.split(), '--temperature=1', '--n_best=4', f'--text={text}'])[0]
    assert sampled.count('\t') == 8
    assert '\n'.join(lines('out.en')) + '\n' == both + '\n'                        # an empty line stays one
    assert run([*ask.split(), '--text='])[0] == '\n'
    assert run(ask + '--n_best=3 --text=Hunde')[0].count('\t') == 3
    for explain in '', ' --explain':
        short = run(f'{ask} --max_length=2 --text=Hunde{explain}')[0].split('best      ')[-1].split('  (')[0]
        assert len(tokenizer.split(short)) <= 2, short
    assert run([*ask.split(), '--beam_size=1', '--text=' + 'lang ' * 2000])[0].count('\n') == 1
    out, err = run(ask + '--evaluate=test --beam_size=1 --output=test.en')
    assert err.startswith(f"{len(lines('test.en')):,} sentences in ") and err.endswith(' a second\n')
    scores = dict(line.split(' ', 1) for line in out.splitlines())
    assert scores['BLEU'] == f"{sample.bleu(lines('test.en'), lines('data/test.en')):.2f}"
    assert float(scores['chrF2']) > 5

    # mistakes
    refused('sample.py --checkpoint=nowhere.pt --text=a', 'nowhere.pt', 'python train.py')
    write('corrupt.pt', open(f'{work.name}/checkpoints/best.pt', 'rb').read()[:5000])
    refused('sample.py --checkpoint=corrupt.pt --text=a', 'corrupt.pt')
    torch.save({'model': 1}, f'{work.name}/foreign.pt')
    refused('sample.py --checkpoint=foreign.pt --text=a', 'foreign.pt')
    torch.save({'format': 'nanoseq2seq 1'}, f'{work.name}/older.pt')
    refused('sample.py --checkpoint=older.pt --text=a', 'older.pt', 'train again')
    refused('sample.py --input=nowhere.de', 'nowhere.de')
    refused('sample.py --input=in.de --text=a', '--text', 'one of')
    refused('sample.py --input=nowhere.de --output=out.en', 'nowhere.de')
    refused('train.py --eval_sentences=0', '--eval_sentences')
    refused('sample.py --beam_size=0 --text=a', 'beam_size')
    refused('train.py --overwrite --attention=some', 'attention', 'general')
    refused('train.py --overwrite --device=abacus', 'abacus')
    refused('train.py --overwrite --device=cpu --dtype=float1', 'float1')
    refused('train.py --resume --n_hidden=48', '--n_hidden')
    refused('train.py --resume --out_dir=nowhere', 'nowhere')
    run('tokenizer.py --max_source_vocab=100')
    refused('train.py --resume', 'vocabulary')
    refused('sample.py --evaluate=test', 'vocabulary', 'python train.py')
    run('prepare.py --dataset=toy --max_pairs=2000')
    refused('train.py --overwrite', 'python tokenizer.py')
    assert read('checkpoints')['step'] == 60                            # none of all these has replaced it

def tiny_checkpoint(name, **changes):
    """A checkpoint of an untrained model that knows the words a, b and c; a value of None leaves a key out."""
    net, words = tiny_model(0), [*tokenizer.SPECIAL, 'a', 'b', 'c']
    net.config.source_vocab = net.config.target_vocab = len(words)
    net = build(net.config)
    saved = {'format': sample.FORMAT, 'model_config': dataclasses.asdict(net.config), 'model': net.state_dict(),
             'source_words': words, 'target_words': words, 'data': {'train.de': {}, 'train.en': {}}, **changes}
    path = pathlib.Path(work.name, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: value for key, value in saved.items() if value is not None}, path)
    return str(path)

def test_damaged_checkpoints_are_not_used():
    """Any flipped bit of the weights is noticed; to resume, the checkpoint before is taken instead."""
    whole = tiny_checkpoint('damage/best.pt')
    data, random_ = open(whole, 'rb').read(), random.Random(0)
    with zipfile.ZipFile(whole) as archive:
        weights = [archive.read(name) for name in archive.namelist() if '/data/' in name]
    for values in random_.sample(weights, 5):
        damaged = bytearray(data)
        damaged[data.index(values) + random_.randrange(len(values))] ^= 4
        last = write('damage/last.pt', bytes(damaged))
        refused('sample.py --checkpoint=damage/last.pt --text=a', 'last.pt is damaged', 'python train.py')
    tiny_checkpoint('damage/previous.pt', optimizer={}, step=7)
    for content in bytes(damaged), data[:5000], data, b'':          # the third is whole, but no training's
        write('damage/last.pt', content)
        with contextlib.redirect_stderr(io.StringIO()) as err:
            saved = sample.read_checkpoint(last, spare=f'{work.name}/damage/previous.pt')
        assert saved['step'] == 7 and 'continuing from' in err.getvalue()
    assert run_forked('sample.py --checkpoint=damage --text=a', '')[0] == 0             # the folder's best.pt
    refused('sample.py --checkpoint=. --text=a', 'no checkpoint ./best.pt')
    tiny_checkpoint('lacking.pt', source_words=None)
    refused('sample.py --checkpoint=lacking.pt --text=a', 'lacks source_words')
    tiny_checkpoint('hostile.pt', target_words=[*tokenizer.SPECIAL, 'a', 'b', '\x1b[2Jc'])
    refused('sample.py --checkpoint=hostile.pt --text=a', 'hostile.pt')
    true_load = torch.load
    try:
        def without_memory(*_, **how):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        torch.load = without_memory
        refused('sample.py --checkpoint=damage/best.pt --text=a', 'out of memory')
    finally:
        torch.load = true_load

def test_ctrl_c_is_heard_by_all_threads():
    """Within a step, not at the end of the batch; afterwards one may translate again."""
    net, words = tiny_model(0), Vocabulary(tokenizer.SPECIAL + ['a', 'b', 'c'])
    def step(tokens, state, memory):                # of a model that never ends
        time.sleep(0.01)
        return 100 * torch.eye(7)[tokens * 0 + 5], state, None
    net.decode_step, handler, threads = step, signal.getsignal(signal.SIGINT), torch.get_num_threads()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        torch.set_num_threads(2)
        for how in {'beam_size': 2}, {'temperature': 1.0}:
            timer, began = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)), time.monotonic()
            timer.start()
            try:
                sample.translate(['a b', 'c'], net, words, words, max_length=9000, replace_unknown=False, **how)
                raise AssertionError('Ctrl-C was not heard')
            except KeyboardInterrupt:
                assert time.monotonic() - began < 20
            assert torch.get_num_threads() == 2
            assert len(sample.translate(['a', 'b'], net, words, words, max_length=2, **how)) == 2
    finally:
        torch.set_num_threads(threads)
        signal.signal(signal.SIGINT, handler)

def test_two_runs_do_not_write_one_output():
    tiny_checkpoint('twice.pt')
    write('twice.de', 'a\n')
    ask = 'sample.py --checkpoint=twice.pt --input=twice.de --output=twice.en --max_length=2'
    other = subprocess.Popen([sys.executable, '-c', 'import fcntl, sys, time; file = open("twice.en.part", "a");'
                              'fcntl.lockf(file, fcntl.LOCK_EX); print(file.write("kept\\n"), flush=True);'
                              'file.flush(); time.sleep(60)'], cwd=work.name, stdout=subprocess.PIPE)
    other.stdout.readline()
    for flags in '', ' --resume':
        refused(ask + flags, 'another run is writing twice.en')
    other.kill()
    other.communicate()
    assert lines('twice.en.part') == ['kept']
    assert run_forked(ask, '')[0] == 0 and not os.path.exists(f'{work.name}/twice.en.part')

def test_unknown_words_are_named():
    """On standard error; of a file only whether most of them are unknown, once, with the language."""
    tiny_checkpoint('names.pt')
    ask = ['sample.py', '--checkpoint=names.pt', '--max_length=2', '--batch_size=1']
    for text, told in [('a b', ''), ('a b Quark', '(never seen in training, or too rarely: Quark)\n')]:
        assert run_forked([*ask, f'--text={text}'], '')[2] == told
    *_, err = run_forked([*ask, '--text=The dog'], '')
    assert err.startswith('(never seen in training, or too rarely: The dog)\n') and err.endswith('(de)?\n')
    for share, count in ('The dog\n' * 300, 1), ('The a b\n' * 300, 0), ('\n', 0):
        *_, err = run_forked(ask, share)
        assert err.count('\n') == count and 'never' not in err, err

def test_sampled_translations_repeat():
    """With the same --seed, whatever the batch size, and after --resume."""
    tiny_checkpoint('seed.pt')
    write('seed.de', 'a b c\nb\n\nc a\n' * 20)
    ask = 'sample.py --checkpoint=seed.pt --device=cpu --dtype=float32 --temperature=1 --n_best=2 --input=seed.de'
    (_, once, _), *others = [run_forked(f'{ask} {flags}', '')
                             for flags in ('', '--batch_size=1', '--batch_size=7', '--seed=2')]
    assert [once == other for _, other, _ in others] == [True, True, False]
    kept = once.splitlines(keepends=True)[:2 * 17]
    write('seed.en.part', ''.join(kept))
    assert run_forked(f'{ask} --output=seed.en --resume', '')[0] == 0
    assert open(f'{work.name}/seed.en', encoding='utf-8').read() == once

def test_packed_text_is_read():
    """A .gz, .bz2 or .xz is read like the text inside it; one that breaks off is refused."""
    tiny_checkpoint('packed.pt')
    texts = {'a.de': (text := b'a b c\n\nc c\n'), 'a.de.gz': gzip.compress(text),
             'a.de.bz2': bz2.compress(text), 'a.de.xz': lzma.compress(text)}
    for name, content in texts.items():
        write(name, content)
    ask = 'sample.py --checkpoint=packed.pt --device=cpu --dtype=float32 --max_length=3 --input='
    status, expected, _ = run_forked(ask + 'a.de', '')
    assert status == 0 and expected.count('\n') == 3
    for name in list(texts)[1:]:
        assert run_forked(ask + name, '')[:2] == (0, expected), name
        write(f'cut.{name}', texts[name][:-9])
        refused(f'{ask}cut.{name}', f'cut.{name}')
        assert run_forked(f'sample.py --hypotheses={name} --references=a.de', '')[0] == 0
    write('latin.gz', gzip.compress('a\nü\n'.encode('latin1')))
    refused(ask + 'latin.gz', 'latin.gz, line 2', 'UTF-8')
    write('nothing.gz', gzip.compress(b''))
    refused(ask + 'nothing.gz', 'nothing.gz is empty')

def test_limits_are_named_one_at_a_time():
    for flag, *words in [('--n_best=6', '--n_best=6', '--beam_size=5'), ('--beam_size=0', '1 to 10000'),
                         ('--batch_size=10001', '--batch_size=10001'), ('--max_length=10001', '0 to 10000'),
                         ('--length_penalty=6', '--length_penalty=6'), ('--temperature=1e-4', '0.0001')]:
        refused(f'sample.py --text=a {flag}', *words)

def test_a_translation_may_be_as_long_as_training_says():
    """Twice the source and ten words, or the ratio that the checkpoint's configuration has."""
    net, lengths = tiny_model(0), torch.tensor([1, 7])
    assert sample.max_lengths(net, lengths).tolist() == [12, 24]
    net.config.max_length_ratio = 9.5
    assert sample.max_lengths(net, lengths).tolist() == [19, 76]
    assert sample.max_lengths(net, lengths, 3).tolist() == [3, 3]
    net.decode_step = lambda tokens, state, memory: (torch.eye(net.config.target_vocab)[tokens * 0 + 5],
                                                     state, None)       # a model that never ends
    words = Vocabulary(tokenizer.SPECIAL + [str(n) for n in range(net.config.target_vocab - 4)])
    ((text, _),), = sample.translate(['1 2'], net, words, words, beam_size=1, replace_unknown=False)
    assert len(text.split()) == int(3 * 9.5) + 10

def test_missing_stages_name_their_command():
    refused('tokenizer.py --data_dir=none', 'python prepare.py')
    refused('train.py --data_dir=none --out_dir=none/out', 'python prepare.py')
    refused('sample.py --checkpoint=none/best.pt --text=a', 'python train.py')
    refused('plot.py --out_dir=none', 'python train.py')
    write('empty/log.jsonl', '')
    refused('plot.py --out_dir=empty', 'empty/log.jsonl is damaged')
    refused('plot.py --out_dir=empty/log.jsonl', 'python train.py')

# -----------------------------------------------------------------------------
# the project itself

SCRIPTS = 'prepare', 'tokenizer', 'train', 'sample', 'plot'

def test_help_names_every_flag_with_its_default():
    for script in SCRIPTS:
        out, _ = run(f'{script}.py --help')
        flags = tokenizer.config_of(vars(sys.modules[script]))
        for key, value in flags.items():
            line = next(line for line in out.splitlines() if line.startswith(f'  --{key}='))
            assert repr(value) in line and len(line.split(repr(value), 1)[1].strip()) > 3, line

def test_commands_and_flags_in_the_texts_exist():
    flags = {script: {*tokenizer.config_of(vars(sys.modules[script])), 'help'} for script in SCRIPTS}
    lessons = sorted(here.glob('lessons/[0-9]*.py'))
    for lesson in lessons:
        config = lesson.read_text(encoding='utf-8').split('# ---')[1]
        flags[f'lessons/{lesson.stem}'] = set(re.findall(r'^(\w+) = ', config, re.MULTILINE))
    torchrun = {'nproc_per_node', 'nnodes', 'rdzv_backend', 'rdzv_endpoint'}
    n_commands = 0
    for path in here / 'README.md', *here.glob('lessons/*.md'), *lessons:
        text = re.sub(r' *\\?\n *(?=--)', ' ', path.read_text(encoding='utf-8'))
        for script, arguments in re.findall(r'python ([\w/]+)\.py([^`\n&|]*)', text):
            n_commands += 1
            for flag in re.findall(r'--(\w+)', arguments):
                assert flag in flags[script], f'{path}: {script}.py has no --{flag}'
        for flag in re.findall(r'(?<![\w|-])--(\w+)', text):         # in tables and sentences too
            assert flag in set.union(torchrun, *flags.values()), f'{path}: --{flag}'
    assert n_commands > 60

def test_links_and_names_in_the_texts_exist():
    headings = {}                                   # of each page, as GitHub makes anchors of them
    for path in here / 'README.md', *here.glob('lessons/*.md'):
        lines = re.findall(r'^#+ (.*)', path.read_text(encoding='utf-8'), re.MULTILINE)
        headings[path] = {re.sub(r'[^\w -]', '', line).lower().replace(' ', '-') for line in lines}
    for path in headings:
        for page, anchor in re.findall(r'\]\(([^)#\s]*)#?([^)\s]*)\)', path.read_text(encoding='utf-8')):
            to = (path.parent / page).resolve() if page else path
            if not page.startswith('http'):
                assert to.exists() and (not anchor or anchor in headings[to]), f'{path}: {page}#{anchor}'
    readme = (here / 'README.md').read_text(encoding='utf-8')
    tour = re.findall(r'^\| \d \| `([\w.]+)` \| `(\w+)\.py`', readme, re.MULTILINE)
    assert len(tour) > 5
    for name, script in tour:
        found = sys.modules[script]
        for part in name.split('.'):
            found = getattr(found, part)

def test_lessons():
    """Every arm of every lesson runs; what the runs are good for, the lessons themselves must show."""
    lessons = sorted(here.glob('lessons/[0-9]*.py'))
    assert lessons
    for lesson in lessons:
        out, _ = run(['lessons/' + lesson.name, '--smoke'])
        assert out.count('| --- |') and 'drew checkpoints/smoke' in out, lesson

def test_ctrl_c_ends_a_lesson_and_its_command_in_one_line():
    script = write('lesson.py', f'''
import sys
sys.path.insert(0, {str(here / 'lessons')!r})
import course
data_dir, out_dir, smoke = 'data/toy', 'checkpoints/lesson', True
command = [sys.executable, '-u', '-c', 'import time; print("step 1"); time.sleep(60)']
course.run_lesson(lambda: course.run_process(command), globals())
''')
    lesson = subprocess.Popen([sys.executable, script], cwd=work.name, env={**os.environ, **ALONE}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert 'step 1\n' in iter(lesson.stdout.readline, '')       # seen while the command runs
    os.killpg(lesson.pid, signal.SIGINT)
    _, err = lesson.communicate(timeout=20)         # which waits for the command too: it holds the pipe
    assert lesson.returncode == 130 and err.count('\n') == 1, err

def test_imports_stay_within_the_four():
    ours = [*here.glob('*.py'), *here.glob('lessons/*.py')]     # no deeper: a .venv may lie there
    known = {path.stem for path in ours} | {'torch', 'numpy', 'requests', 'regex'}
    for path in ours:
        names = []
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                names += [alias.name.split('.')[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names.append(node.module.split('.')[0])
        for name in set(names) - known:             # the rest comes with Python
            assert '-packages' not in (importlib.util.find_spec(name).origin or ''), (path, name)

# -----------------------------------------------------------------------------

# these take longest, and go first, so that in the end no core waits for another
LONG = ['test_lessons', 'test_text_in_translation_out', 'test_a_run_that_is_killed_ends_as_if_it_were_not',
        'test_every_combination', 'test_two_processes_do_what_one_does']

def own_folder(parent):
    """Each process of tests writes in a folder of its own."""
    work.name = tempfile.mkdtemp(dir=parent)

def attempt(name):
    """Run a test -> its name, whether it passed, seconds, and what is to be said if it did not."""
    began, printed = time.time(), io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            globals()[name]()
        return name, True, time.time() - began, ''
    except (Exception, SystemExit):                  # whatever it is, the next test has its turn
        return name, False, time.time() - began, printed.getvalue() + traceback.format_exc()

def main():
    names = [name for name in globals()
             if name.startswith('test_') and all(word in name for word in sys.argv[1:])]
    if not names:
        tokenizer.fail(f'no test has {" and ".join(sys.argv[1:])} in its name: python test_all.py  runs all, and '
                       'their names begin with  def test_  in test_all.py')
    names.sort(key=lambda name: name not in LONG)
    failed = 0
    with ProcessPoolExecutor(os.cpu_count(), initializer=own_folder, initargs=(work.name,)) as pool:
        for future in as_completed([pool.submit(attempt, name) for name in names]):
            name, passed, seconds, said = future.result()
            failed += not passed
            print(f'{said}{"ok" if passed else "FAILED":6} {seconds:6.1f} s  {name[5:].replace("_", " ")}',
                  flush=True)
    print(f'{len(names) - failed} passed, {failed} failed')
    return int(failed > 0)

if __name__ == '__main__':
    sys.exit(main())
