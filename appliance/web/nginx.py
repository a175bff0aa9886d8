"""The whole nginx configuration as one text; pure, so that a test can read it and the real nginx can check it.

Rules the text keeps:

* Uploads land in ``.everpx/incoming`` of the drive they will live on, so the application finishes with a rename.
  nginx does not start when such a folder is missing, so only drives in use get a location.
* Before the first byte of an upload is read the application says whether it may come (``/internal/upload-allowed``);
  a refusal is told in the application's own words (``@refused``).  A yes to a small file holds for two seconds, for
  the same credentials and the same drive: it only keeps strangers off the disk, the application asks again itself.
* ``X-Everpx-Body-File`` is set or blanked in every location: a client can never hand in a path of its own.
* Files leave by ``/protected/`` only after the application named them, and no symlink on a drive is followed.
* Nothing here runs as root, so nothing here can be talked into touching what is root's.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from appliance.drives.layout import INCOMING

FORM_LIMIT = "64m"  # of everything but uploads; the console has the same limit
ZIPS = ("/files/zip", "/photos/zip", "/api/v1/folders/zip", "/api/v1/media/zip")
YES_HOLDS_S = 2  # seconds that nginx may repeat a yes without asking
SLOW_ANSWER_S = 3600  # hashing and flushing a file of many gigabytes on an old USB drive
DEVICES = ("/dav/", "/remote.php/")  # where phone apps and file programs send files: WebDAV, and Nextcloud's
NOT_READY = '{"error":"not_ready","message":"The station is not ready for uploads.","hint":"Try again in a minute."}'
TAG = re.compile(r"(HOT|COLD)-[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class Shelf:
    """A drive that is in use right now."""

    tag: str  # HOT-1
    path: Path
    uploads: bool = False  # whether it has a folder for them and may be written

    def __post_init__(self) -> None:
        if not TAG.fullmatch(self.tag):
            raise ValueError(f"not a drive: {self.tag!r}")


@dataclass(frozen=True)
class Tls:
    """How the front door answers by https; ``mark`` changes with each certificate, so that nginx reads the new one."""

    listen: tuple[str, ...]
    certificate: Path  # with its key
    mark: str
    http2_apart: bool = True  # nginx 1.25.1 and newer: a line of its own


@dataclass(frozen=True)
class Site:
    """What the front door depends on."""

    run: Path  # EVERPX_RUN: the console's socket, and nginx's own folder
    static: Path  # the console's static files
    pages: Path  # what is shown while the console does not answer
    listen: tuple[str, ...] = ("127.0.0.1:8080",)
    tls: "Tls | None" = None
    shelves: tuple[Shelf, ...] = ()  # of those that take uploads, the preferred one first
    workers: int = 2

    @property
    def home(self) -> Path:
        """nginx's own folder: configuration, process id, temporary files."""
        return self.run / "nginx"


def quoted(path: Path, end: str = "") -> str:
    """A path as one nginx argument, ``end`` added.  Raises ValueError for what nginx would read as something else."""
    text = str(path)
    if not text.startswith("/") or re.search(r'["\\$\x00-\x1f]', text):
        raise ValueError(f"nginx cannot be given this path: {text!r}")
    return f'"{text}{end}"'


def render(site: Site) -> str:
    """The configuration.  Raises ValueError for a path or tag that nginx could misread."""
    listens = "\n".join(f"    listen {address};" for address in site.listen)
    files = "".join(_files(shelf) for shelf in site.shelves)
    hot = [shelf for shelf in site.shelves if shelf.uploads]
    uploads = "".join(_upload(f"/api/v1/uploads/{shelf.tag}/", shelf) for shelf in hot)
    if hot:
        uploads += _upload("/api/v1/files/", hot[0])
        uploads += "".join(_upload(prefix, hot[0], "@dav") for prefix in DEVICES)
        uploads += _asking()
    return _frame(site, f"{listens}\n{_tls(site.tls)}{_common(site)}{files}{uploads}{_console()}")


def _tls(tls: Tls | None) -> str:
    """The same doors by https: nothing older than TLS 1.2, and keys that no later theft opens (ECDHE, no tickets)."""
    if tls is None:
        return ""
    http2 = "" if tls.http2_apart else " http2"
    listens = "".join(f"    listen {address} ssl{http2};\n" for address in tls.listen)
    return f"""\
{listens}{"    http2 on;" if tls.http2_apart else ""}
    ssl_certificate {quoted(tls.certificate)};  # {tls.mark}
    ssl_certificate_key {quoted(tls.certificate)};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384;
    ssl_prefer_server_ciphers off;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_session_cache shared:tls:1m;
    ssl_session_timeout 1h;
    ssl_session_tickets off;
    error_page 497 =302 https://$http_host$request_uri;
"""


def _frame(site: Site, server: str) -> str:
    home = site.home
    temporary = "\n".join(
        f"  {kind}_temp_path {quoted(home / kind)};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""\
# Written by the station; it is rendered again whenever a drive comes or goes.
daemon off;
worker_processes {site.workers};
pid {quoted(home / "nginx.pid")};
error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  server_tokens off;
{temporary}
  client_body_temp_path {quoted(home / "body")};
  client_body_buffer_size 256k;
  client_max_body_size {FORM_LIMIT};
  client_header_timeout 30s;
  client_body_timeout 60s;
  send_timeout 60s;
  proxy_headers_hash_bucket_size 128;
  keepalive_timeout 65s;
  keepalive_requests 10000;
  reset_timedout_connection on;
  sendfile on;
  sendfile_max_chunk 1m;
  tcp_nopush on;
  default_type application/octet-stream;
  types {{
    text/html html;  text/css css;  text/javascript js mjs;  application/json json;  application/wasm wasm;
    image/svg+xml svg;  image/png png;  image/webp webp;  image/jpeg jpg jpeg;  image/x-icon ico;
    font/woff2 woff2;  application/manifest+json webmanifest;
  }}
  charset utf-8;
  charset_types text/css text/javascript;
  gzip on;
  gzip_min_length 1000;
  gzip_vary on;
  gzip_types text/css text/javascript application/json application/manifest+json image/svg+xml;
  proxy_cache_path {quoted(home / "yes")} keys_zone=yes:1m max_size=4m inactive=1m use_temp_path=off;
  map $http_content_length $ask_again {{ default 1; "~^[0-9]{{1,8}}$" 0; }}
  map $arg_v $static_cache {{ "" "no-cache"; default "public, max-age=31536000, immutable"; }}
  upstream console {{
    server {quoted_socket(site.run / "console.sock")} max_fails=0;
    keepalive 8;
    keepalive_timeout 30s;
  }}
  server {{
{server}  }}
}}
"""


def quoted_socket(path: Path) -> str:
    """A Unix socket as nginx names it."""
    return f'"unix:{quoted(path)[1:]}'


def _to_console(body_file: str = '""') -> str:
    """How a request reaches the application: every header that it trusts is set here, in each location."""
    return f"""\
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host "";
      proxy_set_header X-Forwarded-Prefix "";
      proxy_set_header Forwarded "";
      proxy_set_header X-Everpx-Front nginx;
      proxy_set_header X-Everpx-Body-File {body_file};
"""


def _common(site: Site) -> str:
    """Files of the console, files of the family, and what is shown when the console does not answer."""
    return f"""\
    if ($request_uri ~ "#") {{ return 400; }}
    recursive_error_pages on;
    error_page 413 /everpx-too-large.html;
    error_page 502 504 =503 /everpx-starting.html;
    location ^~ /everpx- {{
      internal;
      root {quoted(site.pages)};
      add_header Cache-Control no-store always;
      add_header Content-Security-Policy "default-src 'none'; style-src 'self'" always;
      add_header X-Content-Type-Options nosniff always;
      add_header Retry-After 3 always;
    }}
    location ^~ /static/ {{
      alias {quoted(site.static, "/")};
      add_header Cache-Control $static_cache;
      add_header X-Content-Type-Options nosniff;
      limit_except GET HEAD {{ deny all; }}
    }}
"""


def _files(shelf: Shelf) -> str:
    """Files of a drive that the application has named; the headers are the application's."""
    return f"""\
    location ^~ /protected/{shelf.tag}/ {{
      internal;
      alias {quoted(shelf.path, "/")};
      disable_symlinks on from={quoted(shelf.path)};
      etag off;
      add_header ETag $upstream_http_etag;
      add_header OC-ETag $upstream_http_oc_etag;
      add_header OC-Checksum $upstream_http_oc_checksum;
      add_header Content-Security-Policy $upstream_http_content_security_policy;
      add_header X-Content-Type-Options $upstream_http_x_content_type_options;
      add_header Referrer-Policy $upstream_http_referrer_policy;
      add_header Cross-Origin-Resource-Policy $upstream_http_cross_origin_resource_policy;
      add_header Strict-Transport-Security $upstream_http_strict_transport_security;
    }}
"""


def _upload(prefix: str, shelf: Shelf, otherwise: str = "@api") -> str:
    """A location whose bodies land on that drive; only the finished file's name reaches the application."""
    return f"""\
    location ^~ {prefix} {{
      error_page 418 = {otherwise};
      if ($request_method !~ ^(PUT|PATCH)$) {{ return 418; }}
      set $shelf {shelf.tag};
      auth_request /internal/upload-allowed;
      auth_request_set $refusal $upstream_http_x_everpx_refusal;
      auth_request_set $refusal_status $upstream_status;
      error_page 401 403 500 = @refused;
      error_page 502 504 =503 /everpx-starting.json;
      client_max_body_size 0;
      client_body_temp_path {quoted(shelf.path / INCOMING)};
      client_body_in_file_only clean;
      proxy_pass_request_body off;
      proxy_ignore_client_abort on;
      proxy_read_timeout {SLOW_ANSWER_S}s;
{_to_console("$request_body_file")}\
      proxy_set_header Content-Length 0;
      proxy_set_header Transfer-Encoding "";
      proxy_pass http://console;
    }}
"""


def _asking() -> str:
    """Whether an upload may come, asked before its first byte is read.

    A refusal is a constant status and one line of JSON that the application gave: passing the request on would make
    nginx read the whole unwanted body first.
    """
    return f"""\
    location = /internal/upload-allowed {{
      internal;
      client_max_body_size 0;
      proxy_pass_request_body off;
{_to_console()}\
      proxy_set_header Content-Length "";
      proxy_set_header Transfer-Encoding "";
      proxy_set_header X-Everpx-Method $request_method;
      proxy_set_header X-Everpx-Path $request_uri;
      proxy_set_header X-Everpx-Length $http_content_length;
      proxy_cache yes;
      proxy_cache_key "$shelf $http_authorization $http_cookie";
      proxy_cache_valid 204 {YES_HOLDS_S}s;
      proxy_cache_bypass $ask_again;
      proxy_no_cache $ask_again;
      proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
      proxy_pass http://console;
    }}
    location @refused {{
      default_type application/json;
      add_header Cache-Control no-store always;
      add_header X-Content-Type-Options nosniff always;
      if ($refusal = "") {{ return 503 '{NOT_READY}'; }}
      if ($refusal_status = 401) {{ return 401 $refusal; }}
      if ($refusal_status = 403) {{ return 403 $refusal; }}
      if ($refusal_status = 413) {{ return 413 $refusal; }}
      if ($refusal_status = 429) {{ return 429 $refusal; }}
      if ($refusal_status = 507) {{ return 507 $refusal; }}
      return 503 $refusal;
    }}
"""


def _zip(path: str) -> str:
    """A download that the console makes while it is sent: in large pieces, and never on our own disk."""
    return f"""\
    location = {path} {{
      client_max_body_size {FORM_LIMIT};
      gzip off;
      proxy_buffer_size 64k;
      proxy_buffers 4 512k;
      proxy_busy_buffers_size 1m;
      proxy_max_temp_file_size 0;
      proxy_read_timeout 300s;
{_to_console()}\
      proxy_pass http://console;
    }}
"""


def _console() -> str:
    """Everything else is the application's."""
    to_api = f"""\
      client_max_body_size {FORM_LIMIT};
      error_page 413 /everpx-too-large.json;
      error_page 502 504 =503 /everpx-starting.json;
      proxy_read_timeout 300s;
{_to_console()}\
      proxy_pass http://console;
"""
    return f"""\
    location ^~ /internal/ {{ return 404; }}
    location ^~ /protected/ {{ internal; return 404; }}
    location ^~ /api/ {{
{to_api}\
    }}
    location @api {{
{to_api}\
    }}
    location @dav {{
      client_max_body_size {FORM_LIMIT};
      proxy_read_timeout {SLOW_ANSWER_S}s;
{_to_console()}\
      proxy_pass http://console;
    }}
{"".join(map(_zip, ZIPS))}\
    location = /live {{
      gzip off;
      proxy_buffering off;
      proxy_read_timeout {SLOW_ANSWER_S}s;
{_to_console()}\
      proxy_pass http://console;
    }}
    location / {{
      proxy_read_timeout 300s;
      proxy_max_temp_file_size 16m;
{_to_console()}\
      proxy_pass http://console;
    }}
"""
