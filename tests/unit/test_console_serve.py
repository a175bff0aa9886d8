"""Memory of what is always there: a module that nobody uses is not loaded, one that somebody uses is the real one."""

import subprocess
import sys

import pytest


def said_by(program: str, *arguments: str) -> str:
    argv = [sys.executable, "-W", "error", "-c", program, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LATER = "import sys; from console.serve import Asyncio; sys.modules['asyncio'] = Asyncio('asyncio');"


def test_the_database_does_not_load_asyncio_in_the_console() -> None:
    program = LATER + "import appliance.db; print('asyncio.events' in sys.modules)"
    assert said_by(program) == "False"


def test_who_really_uses_it_gets_the_real_one() -> None:
    program = LATER + (
        "import asyncio, asyncio.events; import sqlalchemy.util.concurrency as c;"
        "assert c.is_exit_exception(asyncio.CancelledError());"
        "assert not c.is_exit_exception(ValueError());"
        "async def one(): return 1\nprint(asyncio.run(one()))"
    ).replace("async def", "\nasync def")
    assert said_by(program) == "1"


@pytest.mark.parametrize(
    "module",
    [
        "appliance.jobs.worker",
        "appliance.broker.daemon, appliance.drives.privileged",
        "appliance.broker.daemon, plugins.discovery.privileged, plugins.nfs.privileged, plugins.smb.privileged",
    ],
)
def test_worker_and_broker_carry_neither_parser_nor_orm(module: str) -> None:
    never = "{'html', 'uuid', 'ast', 'dis', 'asyncio', 'ssl', 'email', 'sqlalchemy', 'pluggy', 'http.client'}"
    assert said_by(f"import {module}; import sys; print(sorted({never} & set(sys.modules)))") == "[]"


def test_the_worker_hears_of_drives_through_pyudev_and_loads_no_packers_for_it() -> None:
    program = (
        "import appliance.jobs.worker, sys; from appliance.drives import watch; assert 'pyudev' not in sys.modules;"
        "heard = watch._monitor(); import pyudev; print(type(heard) is pyudev.Monitor, heard.started,"
        "sorted({'bz2', 'lzma', 'random'} & set(sys.modules)))"
    )
    assert said_by(program) == "True True []"


SERVED = """
import sys, types
from console import serve
sys.modules["console.server"] = types.SimpleNamespace(serve=lambda **asked: None)
serve.main()
del sys.modules["console.server"]
import console.server, console.app
import plugins.webdav.pages, plugins.webdav.views, plugins.importer.views, plugins.smart_plugs.views
"""


def test_the_console_carries_no_command_line_no_second_server_and_nothing_for_tests() -> None:
    never = "{'click', 'http.server', 'flask.testing', 'argparse', 'html.entities', 'tarfile', 'argon2', 'statistics'}"
    program = SERVED + (
        f"loaded = {{name for name, one in sys.modules.items() if type(one).__name__ == 'module'}}\n"
        f"print(sorted({never} & loaded))"
    )
    assert said_by(program) == "[]"


def test_an_application_with_stand_ins_answers_and_has_room_for_blueprints() -> None:
    program = SERVED + (
        "import flask\n"
        "app, room = flask.Flask('x'), flask.Blueprint('room', 'x')\n"
        "room.add_url_rule('/', view_func=lambda: 'yes')\n"
        "app.register_blueprint(room)\n"
        "said = []\n"
        "environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/', 'SERVER_NAME': 'x', 'SERVER_PORT': '1',"
        " 'wsgi.url_scheme': 'http', 'wsgi.errors': sys.stderr, 'wsgi.input': sys.stdin.buffer}\n"
        "body = b''.join(app(environ, lambda status, headers: said.append(status)))\n"
        "import typing, html, zipfile\n"
        "print(said, body, html.escape('<'), zipfile.ZIP_STORED)"
    )
    assert said_by(program) == "['200 OK'] b'yes' &lt; 0"


def test_a_console_that_nobody_asks_carries_no_psutil() -> None:
    program = (
        "import console.app, plugins.station_report.hooks, sys; print(sorted({'psutil', 'pyudev'} & set(sys.modules)))"
    )
    assert said_by(program) == "[]"


def test_inspect_is_the_real_one_once_it_is_asked() -> None:
    program = (
        "import appliance.jobs.worker, inspect, sys; print(inspect.getdoc(inspect.getdoc)[:7], inspect.signature(len))"
    )
    assert said_by(program) == "Get the (obj, /)"


def test_libraries_in_the_console_say_nothing_about_themselves_but_our_api_does() -> None:
    program = (
        "from console import undocumented; undocumented.install();"
        "import flask, sqlalchemy.orm as orm; from console.api import routes, views;"
        "print(flask.Flask.route.__doc__, orm.Session.__doc__, len(routes.__doc__) > 9,"
        "len(views.document.__doc__) > 9)"
    )
    assert said_by(program) == ". . True True"


def test_tls_is_put_off_and_the_real_one_when_somebody_asks() -> None:
    program = (
        f"{LATER} from console.serve import Ssl; later = sys.modules['ssl'] = Ssl('ssl');"
        "import console.server, console.app; assert sys.modules['ssl'] is later and '_ssl' not in sys.modules;"
        "import ssl, http.client; context = ssl.create_default_context(); real = sys.modules['ssl'];"
        "print(real is not later, (later.CERT_NONE, later.PROTOCOL_TLS) == (real.CERT_NONE, real.PROTOCOL_TLS),"
        "later.CERT_REQUIRED is context.verify_mode)"
    )
    assert said_by(program) == "True True True"


def test_the_console_says_dates_and_plurals_with_what_it_keeps_of_its_languages() -> None:
    program = """
import datetime, sys
from babel import Locale, dates, numbers
if sys.argv[1:]:
    from console import locale_data
    locale_data.forget_the_rest()
at = datetime.datetime(2026, 11, 26, 9, 5, tzinfo=datetime.UTC)
for language in ("en", "zh"):
    for form in ("short", "medium", "long", "full"):
        print(dates.format_date(at, form, locale=language), dates.format_datetime(at, form, locale=language))
    print(dates.format_date(at, "LLLL y", locale=language), dates.format_time(at, "short", locale=language))
    print(dates.format_interval(at.date(), at.date().replace(day=28), locale=language))
    print(numbers.format_decimal(12345.6, locale=language), [Locale.parse(language).plural_form(n) for n in (0, 1, 2)])
"""
    assert said_by(program, "kept") == said_by(program) != ""
