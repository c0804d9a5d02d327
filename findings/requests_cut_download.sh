#!/usr/bin/env bash
# requests 2.34.2 takes half a file for a whole one, without an error, if pip has put urllib3 1.26.20 beside it. Both
# admit one another (urllib3 below 2 is still pinned by other packages), and the same code with urllib3 2.5.0 raises.
# The server says Content-Length: 1000 and closes the connection after 400 bytes; the status is 200, response.ok true.
# So a download has to compare its size itself.
# Expected: an error with every version that requests admits.
# Seen with CPython 3.11.7, requests 2.34.2:
#   urllib3 1.26.20: ok, 400 of 1000 bytes
#   urllib3 2.5.0: ChunkedEncodingError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
cat >"$folder/run.py" <<'PYTHON'
import http.server, requests, threading, urllib3

class HalfAFile(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(b'x' * 400)

    def log_message(self, *arguments):
        pass

with http.server.HTTPServer(('127.0.0.1', 0), HalfAFile) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = requests.Session()
    session.trust_env = False                   # no proxy on the way to this machine
    try:
        response = session.get(f'http://127.0.0.1:{server.server_port}')
        result = f'{"ok" if response.ok else "not ok"}, {len(response.content)} of 1000 bytes'
    except requests.RequestException as error:
        result = type(error).__name__
    print(f'urllib3 {urllib3.__version__}: {result}')
    server.shutdown()
PYTHON
seen=$(for version in 1.26.20 2.5.0; do
    "$folder/venv/bin/pip" install --quiet requests==2.34.2 urllib3==$version
    "$folder/venv/bin/python" "$folder/run.py"
done)
echo "$seen"
[ "$seen" = 'urllib3 1.26.20: ok, 400 of 1000 bytes
urllib3 2.5.0: ChunkedEncodingError' ]
