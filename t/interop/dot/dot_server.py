# SPDX-License-Identifier: Apache-2.0
"""Start the LMS on a free port of this machine, with a database of its own that goes with it.

    /usr/bin/python3 t/interop/dot/dot_server.py --site http://localhost:8080 --files DIR

--site: the relying party, whose redirect URIs are registered. Into DIR go jwks.json and hs-secret.
Prints `dot ready http://127.0.0.1:PORT`; browsers find it at --public-host, same port.
"""
import argparse
import os
import shutil
import signal
import sys
import tempfile


def serve(options, folder):
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    server = ThreadedWSGIServer(('127.0.0.1', 0), WSGIRequestHandler)
    port = server.server_address[1]
    os.environ.update({
        'DJANGO_SETTINGS_MODULE': 'dot.settings',
        'DOT_DIR': folder,
        'DOT_FILES': options.files,
        'DOT_SITE': options.site,
        'DOT_PUBLIC_ROOT': f'http://{options.public_host}:{port}',
    })
    import django
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    django.setup()
    call_command('migrate', run_syncdb=True, verbosity=0)
    from dot import people, tokens
    people.make_users()
    people.make_applications()
    tokens.make_keys()
    server.set_app(get_wsgi_application())
    print(f'dot ready http://127.0.0.1:{port}', flush=True)
    server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--site', required=True)
    parser.add_argument('--files', required=True)
    parser.add_argument('--public-host', default='127.0.0.1')
    options = parser.parse_args()
    # the folder above: this one is the package `dot`
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder = tempfile.mkdtemp(prefix='edxsso-dot-')
    try:
        serve(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
