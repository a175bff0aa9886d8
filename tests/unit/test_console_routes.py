"""Who may ask for what: every address of the console, and everybody who might ask, in one table.

A new route without a row fails, and so does a row without its route.  In the columns: ``nobody`` has not signed in;
``member`` is Ben, whose photo, key and sign-in the numbers in the addresses mean; ``other`` is Cleo, another member;
``admin`` is Anna; ``forged`` is Anna's browser, sent here by a foreign page, that is without the CSRF token.  ``in`` is
the way to the sign-in page.  What is sent along is not always complete, and nothing is plugged in: 422 and 503 show
that somebody was let through, too.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from appliance import plugin
from appliance.backup.models import BackupRun, RunState
from appliance.db import Database, now
from appliance.drives.models import Drive, DriveRole
from appliance.health import service as health
from appliance.health.models import Severity
from appliance.jobs import schedule
from appliance.jobs import service as jobs
from appliance.jobs.plan import Plan, Rhythm
from appliance.library.albums.models import Album
from appliance.library.models import Folder, Media, MediaKind, StoredFile
from appliance.people import service as people
from appliance.people import sign_ins
from appliance.people.audit import By
from appliance.people.models import ApiToken, DevicePassword, Role
from appliance.words import Message
from plugins.importer.models import ImportRun, ImportSource, SourceKind
from plugins.importer.models import RunState as RunOfImport
from tests.browsers import Browser
from tests.callers import PASSWORD

TABLE = """
GET    /                                                        in   200  200  200  200
GET    /account                                                 in   200  200  200  200
POST   /account/devices                                         in   422  422  422  400
POST   /account/devices/<int:password_id>/end                   in   303  404  404  400
POST   /account/language                                        in   303  303  303  400
POST   /account/password                                        in   422  422  422  400
POST   /account/picture                                         in   422  422  422  400
POST   /account/sign-ins/<int:sign_in_id>/end                   in   303  404  404  400
POST   /account/sign-ins/end-others                             in   303  303  303  400
GET    /activity/                                               in   200  200  200  200
GET    /activity/<int:job_id>                                   in   403  403  200  200
POST   /activity/<int:job_id>                                   in   403  403  404  400
GET    /activity/drawer                                         in   200  200  200  200
GET    /albums/                                                 in   200  200  200  200
POST   /albums/                                                 in   422  422  422  400
GET    /albums/<int:album_id>                                   in   200  404  404  404
POST   /albums/<int:album_id>/bring-back                        in   404  404  404  400
POST   /albums/<int:album_id>/delete                            in   303  404  404  400
GET    /albums/<int:album_id>/edit                              in   200  404  404  404
POST   /albums/<int:album_id>/edit                              in   303  404  404  400
POST   /albums/<int:album_id>/links                             in   200  404  404  400
POST   /albums/<int:album_id>/links/<int:link_id>/end           in   404  404  404  400
GET    /s/<token>/                                              404  404  404  404  404
GET    /s/<token>/<int:media_id>                                404  404  404  404  404
GET    /s/<token>/<int:media_id>/original                       404  404  404  404  404
GET    /s/<token>/<int:media_id>/preview/<int:pixels>           404  404  404  404  404
POST   /s/<token>/unlock                                        404  404  404  404  404
POST   /s/<token>/upload                                        404  404  404  404  404
POST   /s/<token>/uploads                                       404  404  404  404  404
DELETE /s/<token>/uploads/<tag>/<upload_id>                     404  404  404  404  404
PATCH  /s/<token>/uploads/<tag>/<upload_id>                     404  404  404  404  404
POST   /albums/<int:album_id>/members                           in   303  404  404  400
POST   /photos/<int:media_id>/say                               in   303  404  404  400
POST   /photos/<int:media_id>/grouping                          in   303  303  303  400
POST   /photos/chosen                                           in   303  303  303  400
POST   /photos/chosen/undo                                      in   303  303  303  400
GET    /photos/ours                                             in   200  200  200  200
GET    /backup/                                                 in   403  403  200  200
GET    /backup/<int:drive_id>                                   in   403  403  200  200
GET    /backup/<int:drive_id>/plan                              in   403  403  200  200
POST   /backup/<int:drive_id>/run                               in   403  403  303  400
GET    /backup/<int:drive_id>/schedule                          in   403  403  200  200
POST   /backup/<int:drive_id>/schedule                          in   403  403  422  400
POST   /backup/<int:drive_id>/sources                           in   403  403  303  400
GET    /backup/restore/                                         in   403  403  302  302
GET    /backup/restore/<int:drive_id>                           in   403  403  200  200
POST   /backup/restore/<int:drive_id>                           in   403  403  404  400
GET    /backup/restore/<int:drive_id>/confirm                   in   403  403  404  404
POST   /backup/restore/<int:drive_id>/drill                     in   403  403  303  400
GET    /backup/restore/<int:drive_id>/file                      in   403  403  404  404
GET    /backup/runs/<int:run_id>                                in   403  403  200  200
POST   /backup/runs/<int:run_id>/answer                         in   403  403  422  400
GET    /drives/                                                 in   403  403  200  200
GET    /drives/<int:drive_id>                                   in   403  403  200  200
POST   /drives/<int:drive_id>                                   in   403  403  422  400
POST   /drives/<int:drive_id>/eject                             in   403  403  303  400
POST   /drives/<int:drive_id>/retire                            in   403  403  422  400
POST   /drives/<int:drive_id>/switch                            in   403  403  422  400
POST   /drives/<int:drive_id>/use                               in   403  403  303  400
GET    /drives/found/<device>                                   in   403  403  404  404
POST   /drives/found/<device>                                   in   403  403  404  400
POST   /drives/found/<device>/confirm                           in   403  403  303  400
POST   /drives/found/<device>/repair                            in   403  403  303  400
GET    /plugins/discovery/                                      in   200  200  200  200
POST   /plugins/discovery/                                      in   403  403  422  400
GET    /plugins/discovery/label                                 in   200  200  200  200
POST   /plugins/discovery/look                                  in   403  403  303  400
POST   /plugins/nfs/devices/<int:device_id>/drop                in   403  403  404  400
POST   /plugins/nfs/devices/<int:device_id>                     in   403  403  404  400
POST   /plugins/nfs/test                                        in   403  403  303  400
POST   /plugins/nfs/devices                                     in   403  403  422  400
GET    /plugins/nfs/                                            in   403  403  200  200
GET    /hash-worker.js                                          200  200  200  200  200
GET    /internal/upload-allowed                                 401  503  503  503  503
POST   /language                                                303  303  303  303  400
GET    /safe/                                                   200  200  200  200  200
GET    /safe/arrived                                            302  302  302  302  302
GET    /safe/everpx.crt                                         404  404  404  404  404
GET    /safe/everpx.mobileconfig                                404  404  404  404  404
GET    /safe/proof                                              204  204  204  204  204
POST   /safe/stay                                               303  303  303  303  400
GET    /live                                                    401  200  200  200  200
GET    /manifest.webmanifest                                    200  200  200  200  200
GET    /metrics                                                 401  403  403  200  200
GET    /more                                                    in   200  200  200  200
GET    /offline/<language>                                      200  200  200  200  200
GET    /people/                                                 in   403  403  200  200
GET    /people/<int:user_id>                                    in   403  403  200  200
POST   /people/<int:user_id>                                    in   403  403  422  400
POST   /people/<int:user_id>/disable                            in   403  403  303  400
POST   /people/<int:user_id>/enable                             in   403  403  303  400
GET    /people/<int:user_id>/password                           in   403  403  200  200
POST   /people/<int:user_id>/password                           in   403  403  422  400
GET    /people/<int:user_id>/remove                             in   403  403  200  200
POST   /people/<int:user_id>/remove                             in   403  403  422  400
POST   /people/<int:user_id>/sign-ins/<int:sign_in_id>/end      in   403  403  404  400
POST   /people/<int:user_id>/sign-ins/end                       in   403  403  303  400
GET    /people/add                                              in   403  403  200  200
POST   /people/add                                              in   403  403  422  400
GET    /people/recovery-card                                    in   403  403  200  200
POST   /people/recovery-card                                    in   403  403  422  400
POST   /people/recovery-card/give-up                            in   403  403  422  400
GET    /phone/                                                  in   200  200  200  200
POST   /phone/<key>/forget                                      in   404  404  404  400
POST   /phone/<key>/name                                        in   303  303  303  400
GET    /phone/ledger                                            in   200  200  200  200
POST   /phone/share                                             303  303  303  303  303
GET    /photos/                                                 in   200  200  200  200
GET    /photos/<int:media_id>                                   in   200  404  404  404
GET    /photos/<int:media_id>/original                          in   503  404  404  404
GET    /photos/<int:media_id>/preview/<int:pixels>              in   404  404  404  404
GET    /photos/duplicates                                       in   200  200  200  200
POST   /photos/duplicates/bin                                   in   303  303  303  400
POST   /photos/duplicates/different                             in   303  303  303  400
GET    /photos/map                                              in   200  200  200  200
GET    /photos/search                                           in   200  200  200  200
POST   /photos/search/<int:saved_id>/drop                       in   303  303  303  400
POST   /photos/search/keep                                      in   303  303  303  400
GET    /photos/this-day                                         in   200  200  200  200
GET    /photos/upload                                           in   200  200  200  200
POST   /photos/upload                                           in   422  422  422  400
POST   /photos/zip                                              in   404  404  404  400
GET    /plugins/importer/                                       in   200  200  200  200
POST   /plugins/importer/drive                                  in   404  404  404  400
POST   /plugins/importer/folder                                 in   422  422  422  400
GET    /plugins/importer/runs/<int:run_id>                      in   200  404  404  404
POST   /plugins/importer/runs/<int:run_id>/again                in   303  404  404  400
POST   /plugins/importer/runs/<int:run_id>/import               in   303  404  404  400
POST   /plugins/importer/runs/<int:run_id>/stop                 in   303  404  404  400
POST   /plugins/importer/share                                  in   422  422  422  400
GET    /plugins/smb/                                            in   403  403  200  200
POST   /plugins/smb/access                                      in   403  403  303  400
POST   /plugins/smb/folders                                     in   403  403  422  400
POST   /plugins/smb/folders/<int:folder_id>/remove              in   403  403  404  400
POST   /plugins/smb/test                                        in   403  403  303  400
POST   /plugins/smb/time-machine                                in   403  403  422  400
GET    /plugins/upgrade/                                        in   403  403  200  200
POST   /plugins/upgrade/call-off                                in   403  403  303  400
POST   /plugins/upgrade/check                                   in   403  403  303  400
POST   /plugins/upgrade/install                                 in   403  403  303  400
POST   /plugins/upgrade/restart                                 in   403  403  303  400
POST   /plugins/upgrade/seen                                    in   403  403  303  400
POST   /plugins/upgrade/settings                                in   403  403  422  400
GET    /plugins/upgrade/static/<path:filename>                  404  404  404  404  404
GET    /plugins/notify/                                         in   200  200  200  200
GET    /plugins/notify/add/<name>                               in   404  404  404  404
POST   /plugins/notify/add/<name>                               in   404  404  404  400
GET    /plugins/notify/channels/<int:channel_id>                in   404  404  404  404
POST   /plugins/notify/channels/<int:channel_id>                in   404  404  404  400
POST   /plugins/notify/channels/<int:channel_id>/remove         in   404  404  404  400
POST   /plugins/notify/channels/<int:channel_id>/test           in   303  303  303  400
POST   /plugins/notify/deliveries/<int:delivery_id>/again       in   404  404  404  400
GET    /plugins/notify/letter                                   in   200  200  200  200
POST   /plugins/notify/letter                                   in   303  303  303  400
POST   /plugins/notify/rules                                    in   422  422  422  400
GET    /plugins/notify/station                                  in   403  403  200  200
POST   /plugins/notify/station/mail                             in   403  403  422  400
POST   /plugins/notify/station/signal                           in   403  403  422  400
GET    /plugins/smart_plugs/                                    in   403  403  200  200
GET    /plugins/smart_plugs/<int:plug_id>                       in   403  403  404  404
POST   /plugins/smart_plugs/<int:plug_id>                       in   403  403  404  400
POST   /plugins/smart_plugs/<int:plug_id>/drives                in   403  403  404  400
POST   /plugins/smart_plugs/<int:plug_id>/elsewhere             in   403  403  404  400
POST   /plugins/smart_plugs/<int:plug_id>/remove                in   403  403  404  400
POST   /plugins/smart_plugs/<int:plug_id>/switch                in   403  403  404  400
POST   /plugins/smart_plugs/<int:plug_id>/test                  in   403  403  404  400
POST   /plugins/smart_plugs/account                             in   403  403  303  400
POST   /plugins/smart_plugs/add                                 in   403  403  303  400
POST   /plugins/smart_plugs/by-hand                             in   403  403  422  400
GET    /plugins/smart_plugs/energy                              in   403  403  200  200
POST   /plugins/smart_plugs/energy                              in   403  403  422  400
POST   /plugins/smart_plugs/look-at                             in   403  403  422  400
GET    /plugins/smart_plugs/new/<how>                           in   403  403  404  404
POST   /plugins/smart_plugs/search                              in   403  403  303  400
GET    /plugins/station_report/                                 in   403  403  200  200
GET    /service-worker.js                                       200  200  200  200  200
GET    /sign-in                                                 200  302  302  302  302
POST   /sign-in                                                 303  303  303  303  400
POST   /sign-out                                                in   in   in   in   400
GET    /static/<path:filename>                                  200  200  200  200  200
GET    /system/                                                 in   403  403  200  200
GET    /system/about                                            in   403  403  200  200
GET    /system/health                                           in   403  403  200  200
GET    /system/health/guides/<guide>                            in   403  403  200  200
POST   /system/health/<int:issue_id>/fix                        in   403  403  404  400
POST   /system/health/<int:issue_id>/quiet                      in   403  403  303  400
POST   /system/health/look                                      in   403  403  303  400
GET    /system/history                                          in   403  403  200  200
GET    /system/keys                                             in   403  403  200  200
POST   /system/keys                                             in   403  403  422  400
POST   /system/keys/<int:token_id>/end                          in   403  403  404  400
GET    /system/plugins                                          in   403  403  200  200
GET    /system/plugins/<name>                                   in   403  403  404  404
POST   /system/plugins/<name>                                   in   403  403  404  400
POST   /system/plugins/<name>/forget                            in   403  403  404  400
POST   /system/plugins/<name>/forget                            in   403  403  404  400
POST   /system/plugins/<name>/switch                            in   403  403  404  400
POST   /system/plugins/restart                                  in   403  403  303  400
GET    /system/schedules                                        in   403  403  200  200
GET    /system/schedules/<int:schedule_id>                      in   403  403  200  200
POST   /system/schedules/<int:schedule_id>                      in   403  403  422  400
GET    /system/settings                                         in   403  403  200  200
POST   /system/settings/<group>                                 in   403  403  404  400
GET    /wizard                                                  302  302  302  302  302
POST   /wizard                                                  303  303  303  303  400
GET    /wizard/cold                                             in   403  403  200  200
GET    /wizard/first                                            in   403  403  200  200
GET    /wizard/hot                                              in   403  403  200  200
GET    /wizard/next                                             in   403  403  302  302
GET    /wizard/schedule                                         in   403  403  200  200
POST   /wizard/begin-anew                                       303  303  303  303  400
GET    /wizard/take-over                                        302  302  302  302  302
POST   /wizard/take-over                                        303  303  303  303  400
POST   /wizard/schedule                                         in   403  403  422  400
GET    /files/                                                  in   200  200  200  200
GET    /files/bin                                               in   200  200  200  200
POST   /files/bin/bring-back                                    in   303  303  303  400
POST   /files/bin/empty                                         in   303  303  303  400
POST   /files/delete                                            in   404  404  404  400
GET    /files/file                                              in   404  404  404  404
GET    /files/folder                                            in   404  404  404  404
POST   /files/move                                              in   404  404  404  400
POST   /files/copy                                              in   404  404  404  400
POST   /files/new-folder                                        in   404  404  404  400
GET    /files/rename                                            in   404  404  404  404
POST   /files/rename                                            in   404  404  404  400
POST   /files/where-to                                          in   404  404  404  400
POST   /files/zip                                               in   404  404  404  400
GET    /api/v1/                                                 401  200  200  200  200
POST   /api/v1/audit                                            401  422  422  422  400
GET    /api/v1/albums                                           401  200  200  200  200
POST   /api/v1/albums                                           401  422  422  422  400
DELETE /api/v1/albums/<int:album_id>                            401  204  404  404  400
GET    /api/v1/albums/<int:album_id>                            401  200  404  404  404
PATCH  /api/v1/albums/<int:album_id>                            401  200  404  404  400
POST   /api/v1/albums/<int:album_id>/bring-back                 401  404  404  404  400
GET    /api/v1/albums/<int:album_id>/items                      401  200  404  404  404
POST   /api/v1/albums/<int:album_id>/items                      401  422  422  422  400
POST   /api/v1/albums/<int:album_id>/items/removal              401  422  422  422  400
GET    /api/v1/albums/<int:album_id>/links                      401  200  404  404  404
POST   /api/v1/albums/<int:album_id>/links                      401  201  404  404  400
DELETE /api/v1/albums/<int:album_id>/links/<int:link_id>        401  404  404  404  400
GET    /api/v1/albums/<int:album_id>/members                    401  200  404  404  404
PUT    /api/v1/albums/<int:album_id>/members                    401  422  422  422  400
PUT    /api/v1/albums/<int:album_id>/order                      401  422  422  422  400
GET    /api/v1/family                                           401  200  200  200  200
GET    /api/v1/media/<int:media_id>/notes                       401  200  404  404  404
PATCH  /api/v1/media/<int:media_id>/notes                       401  200  404  404  400
POST   /api/v1/media/notes                                      401  422  422  422  400
POST   /api/v1/media/together                                   401  422  422  422  400
POST   /api/v1/media/<int:media_id>/apart                       401  404  404  404  400
POST   /api/v1/media/<int:media_id>/alone                       401  404  404  404  400
POST   /api/v1/media/<int:media_id>/guess                       401  204  404  404  400
GET    /api/v1/backup                                           401  403  403  200  200
GET    /api/v1/backup/<int:drive_id>                            401  403  403  200  200
GET    /api/v1/backup/<int:drive_id>/drills                     401  403  403  200  200
POST   /api/v1/backup/<int:drive_id>/drills                     401  403  403  202  400
GET    /api/v1/backup/<int:drive_id>/files                      401  403  403  422  422
GET    /api/v1/backup/<int:drive_id>/plan                       401  403  403  200  200
POST   /api/v1/backup/<int:drive_id>/restore                    401  403  403  422  400
POST   /api/v1/backup/<int:drive_id>/run                        401  403  403  202  400
PUT    /api/v1/backup/<int:drive_id>/schedule                   401  403  403  422  400
PUT    /api/v1/backup/<int:drive_id>/sources                    401  403  403  200  400
GET    /api/v1/backup/<int:drive_id>/versions                   401  403  403  422  422
GET    /api/v1/backup/runs                                      401  403  403  200  200
GET    /api/v1/backup/runs/<int:run_id>                         401  403  403  200  200
POST   /api/v1/backup/runs/<int:run_id>/answer                  401  403  403  422  400
POST   /api/v1/claim                                            422  422  422  422  400
GET    /api/v1/bin                                              401  200  200  200  200
POST   /api/v1/bin/bring-back                                   401  422  422  422  400
POST   /api/v1/bin/empty                                        401  422  422  422  400
POST   /api/v1/console/restart                                  401  403  403  409  400
GET    /api/v1/folders                                          401  200  200  200  200
POST   /api/v1/folders                                          401  422  422  422  400
POST   /api/v1/folders/delete                                   401  422  422  422  400
GET    /api/v1/folders/entries                                  401  422  422  422  422
GET    /api/v1/folders/file                                     401  422  422  422  422
POST   /api/v1/folders/move                                     401  422  422  422  400
POST   /api/v1/folders/copy                                     401  422  422  422  400
POST   /api/v1/folders/rename                                   401  422  422  422  400
POST   /api/v1/folders/zip                                      401  422  422  422  400
POST   /api/v1/media/zip                                        401  422  422  422  400
GET    /api/v1/drives                                           401  403  403  200  200
GET    /api/v1/drives/<int:drive_id>                            401  403  403  200  200
PATCH  /api/v1/drives/<int:drive_id>                            401  403  403  200  400
POST   /api/v1/drives/<int:drive_id>/eject                      401  403  403  202  400
POST   /api/v1/drives/<int:drive_id>/retire                     401  403  403  200  400
GET    /api/v1/drives/<int:drive_id>/health                     401  403  403  200  200
GET    /api/v1/drives/<int:drive_id>/space                      401  403  403  200  200
POST   /api/v1/drives/<int:drive_id>/use                        401  403  403  202  400
POST   /api/v1/drives/adopt                                     401  403  403  422  400
POST   /api/v1/drives/confirm                                   401  403  403  422  400
POST   /api/v1/drives/confirmation                              401  403  403  422  400
POST   /api/v1/drives/format                                    401  403  403  422  400
POST   /api/v1/drives/repair                                    401  403  403  422  400
GET    /api/v1/events                                           401  403  403  200  200
PUT    /api/v1/files/<path:name>                                401  503  503  503  400
GET    /api/v1/health                                           401  403  403  200  200
GET    /api/v1/health/guides/<guide>                            401  403  403  200  200
POST   /api/v1/health/<int:issue_id>/fix                        401  403  403  404  400
POST   /api/v1/health/look                                      401  403  403  204  400
PUT    /api/v1/health/<int:issue_id>/quiet                      401  403  403  422  400
GET    /api/v1/jobs                                             401  200  200  200  200
GET    /api/v1/jobs/<int:job_id>                                401  200  200  200  200
POST   /api/v1/jobs/<int:job_id>/cancel                         401  403  403  202  400
GET    /api/v1/jobs/<int:job_id>/log                            401  403  403  200  200
POST   /api/v1/jobs/<int:job_id>/pause                          401  403  403  202  400
POST   /api/v1/jobs/<int:job_id>/resume                         401  403  403  202  400
POST   /api/v1/known                                            401  422  422  422  400
GET    /api/v1/media/<int:media_id>                             401  200  404  404  404
GET    /api/v1/media/<int:media_id>/original                    401  503  404  404  404
GET    /api/v1/media/<int:media_id>/preview/<int:pixels>        401  404  404  404  404
GET    /api/v1/months                                           401  200  200  200  200
GET    /api/v1/openapi.json                                     401  200  200  200  200
GET    /api/v1/people                                           401  403  403  200  200
POST   /api/v1/people                                           401  403  403  422  400
GET    /api/v1/people/<int:user_id>                             401  403  200  200  200
PATCH  /api/v1/people/<int:user_id>                             401  403  403  200  400
PUT    /api/v1/people/<int:user_id>/password                    401  403  403  422  400
POST   /api/v1/people/<int:user_id>/removal                     401  403  403  422  400
GET    /api/v1/phones                                           401  200  200  200  200
DELETE /api/v1/phones/<key>                                     401  404  404  404  400
PUT    /api/v1/phones/<key>                                     401  422  422  422  400
GET    /api/v1/phones/<key>/audit                               401  404  404  404  404
GET    /api/v1/phones/<key>/items                               401  404  404  404  404
POST   /api/v1/phones/<key>/items                               401  422  422  422  400
POST   /api/v1/phones/<key>/present                             401  422  422  422  400
GET    /api/v1/phones/<key>/rounds                              401  404  404  404  404
PUT    /api/v1/phones/<key>/rounds/<round_key>                  401  404  404  404  400
GET    /api/v1/plugins                                          401  403  403  200  200
DELETE /api/v1/plugins/<name>                                   401  403  403  404  400
DELETE /api/v1/plugins/<name>                                   401  403  403  404  400
PATCH  /api/v1/plugins/<name>                                   401  403  403  404  400
GET    /api/v1/plugins/notify/kinds                             401  200  200  200  200
GET    /api/v1/plugins/notify/ways                              401  200  200  200  200
POST   /api/v1/plugins/notify/ways                              401  422  422  422  400
PUT    /api/v1/plugins/notify/ways/<int:way_id>                 401  404  404  404  400
DELETE /api/v1/plugins/notify/ways/<int:way_id>                 401  404  404  404  400
POST   /api/v1/plugins/notify/ways/<int:way_id>/test            401  404  404  404  400
GET    /api/v1/plugins/notify/rules                             401  200  200  200  200
PUT    /api/v1/plugins/notify/rules                             401  422  422  422  400
GET    /api/v1/plugins/notify/deliveries                        401  200  200  200  200
POST   /api/v1/plugins/notify/deliveries/<int:delivery_id>/again 401  404  404  404  400
GET    /api/v1/plugins/notify/letter                            401  200  200  200  200
GET    /api/v1/plugins/notify/station                           401  403  403  200  200
PUT    /api/v1/plugins/notify/station/mail-server               401  403  403  422  400
DELETE /api/v1/plugins/notify/station/mail-server               401  403  403  204  400
PUT    /api/v1/plugins/notify/station/sign-of-life              401  403  403  422  400
DELETE /api/v1/plugins/notify/station/sign-of-life              401  403  403  204  400
GET    /api/v1/plugins/smart_plugs/plugs                        401  403  403  200  200
POST   /api/v1/plugins/smart_plugs/plugs                        401  403  403  422  400
PUT    /api/v1/plugins/smart_plugs/plugs/<int:plug_id>/drives   401  403  403  422  400
POST   /api/v1/plugins/smart_plugs/plugs/<int:plug_id>/switch   401  403  403  422  400
POST   /api/v1/plugins/smart_plugs/plugs/<int:plug_id>/test     401  403  403  404  400
POST   /api/v1/plugins/smart_plugs/search                       401  403  403  202  400
GET    /api/v1/plugins/smart_plugs/energy                       401  403  403  200  200
GET    /api/v1/plugins/discovery/names                          401  200  200  200  200
PUT    /api/v1/plugins/discovery/names                          401  403  403  422  400
GET    /api/v1/plugins/discovery/stations                       401  200  200  200  200
POST   /api/v1/plugins/discovery/look                           401  403  403  202  400
GET    /api/v1/plugins/nfs/devices                              401  403  403  200  200
POST   /api/v1/plugins/nfs/devices                              401  403  403  422  400
DELETE /api/v1/plugins/nfs/devices/<int:device_id>              401  403  403  404  400
PUT    /api/v1/plugins/nfs/devices/<int:device_id>/rights       401  403  403  422  400
GET    /api/v1/plugins/nfs/exports                              401  403  403  200  200
GET    /api/v1/plugins/nfs/folders                              401  403  403  200  200
POST   /api/v1/plugins/nfs/test                                 401  403  403  202  400
GET    /api/v1/plugins/smb/people                               401  403  403  200  200
PUT    /api/v1/plugins/smb/people/<int:user_id>/mac             401  403  403  422  400
PUT    /api/v1/plugins/smb/rights                               401  403  403  422  400
GET    /api/v1/plugins/smb/folders                              401  403  403  200  200
POST   /api/v1/plugins/smb/folders                              401  403  403  422  400
DELETE /api/v1/plugins/smb/folders/<int:folder_id>              401  403  403  404  400
POST   /api/v1/plugins/smb/self-test                            401  403  403  202  400
POST   /api/v1/plugins/importer/looks/drive                     401  422  422  422  400
POST   /api/v1/plugins/importer/looks/folder                    401  422  422  422  400
POST   /api/v1/plugins/importer/looks/share                     401  422  422  422  400
GET    /api/v1/plugins/importer/runs                            401  200  200  200  200
GET    /api/v1/plugins/importer/runs/<int:run_id>               401  200  404  404  404
POST   /api/v1/plugins/importer/runs/<int:run_id>/again         401  202  404  404  400
POST   /api/v1/plugins/importer/runs/<int:run_id>/cancel        401  409  404  404  400
GET    /api/v1/plugins/importer/runs/<int:run_id>/files         401  422  422  422  422
POST   /api/v1/plugins/importer/runs/<int:run_id>/import        401  409  404  404  400
GET    /api/v1/plugins/importer/sources                         401  200  200  200  200
POST   /api/v1/plugins/upgrade/bundles                          401  403  403  412  400
DELETE /api/v1/plugins/upgrade/bundles/<name>                   401  403  403  412  400
PATCH  /api/v1/plugins/upgrade/bundles/<name>                   401  403  403  412  400
POST   /api/v1/plugins/upgrade/call-off                         401  403  403  503  400
POST   /api/v1/plugins/upgrade/check                            401  403  403  409  400
GET    /api/v1/plugins/upgrade/history                          401  403  403  200  200
POST   /api/v1/plugins/upgrade/install                          401  403  403  409  400
POST   /api/v1/plugins/upgrade/restart                          401  403  403  409  400
PUT    /api/v1/plugins/upgrade/settings                         401  403  403  422  400
GET    /api/v1/plugins/upgrade/state                            401  403  403  200  200
GET    /api/v1/recovery-card                                    401  403  403  200  200
POST   /api/v1/recovery-card                                    401  403  403  422  400
POST   /api/v1/recovery-card/end                                401  403  403  422  400
GET    /api/v1/safety                                           401  200  200  200  200
GET    /api/v1/schedules                                        401  403  403  200  200
PUT    /api/v1/schedules/<int:schedule_id>                      401  403  403  422  400
DELETE /api/v1/session                                          401  204  204  204  400
GET    /api/v1/session                                          401  200  200  200  200
POST   /api/v1/session                                          422  422  422  422  400
PUT    /api/v1/session/language                                 401  422  422  422  400
PUT    /api/v1/session/password                                 401  422  422  422  400
PUT    /api/v1/session/picture                                  401  422  422  422  400
DELETE /api/v1/session/sign-ins                                 401  204  204  204  400
GET    /api/v1/session/sign-ins                                 401  200  200  200  200
DELETE /api/v1/session/sign-ins/<int:sign_in_id>                401  204  404  404  400
GET    /api/v1/certificate                                      404  404  404  404  404
GET    /api/v1/settings                                         401  403  403  200  200
PUT    /api/v1/settings/<key>                                   401  403  403  422  400
GET    /api/v1/timeline                                         401  200  200  200  200
GET    /api/v1/tokens                                           401  200  200  200  200
POST   /api/v1/tokens                                           401  422  422  422  400
DELETE /api/v1/tokens/<int:token_id>                            401  204  404  404  400
POST   /api/v1/uploads                                          401  412  412  412  400
DELETE /api/v1/uploads/<tag>/<upload_id>                        401  412  412  412  400
PATCH  /api/v1/uploads/<tag>/<upload_id>                        401  412  412  412  400
COPY      /dav/<rest:path>                                     401  401  401  401  401
DELETE    /dav/<rest:path>                                     401  401  401  401  401
GET       /dav/<rest:path>                                     401  401  401  401  401
LOCK      /dav/<rest:path>                                     401  401  401  401  401
MKCOL     /dav/<rest:path>                                     401  401  401  401  401
MOVE      /dav/<rest:path>                                     401  401  401  401  401
PROPFIND  /dav/<rest:path>                                     401  401  401  401  401
PROPPATCH /dav/<rest:path>                                     401  401  401  401  401
PUT       /dav/<rest:path>                                     401  401  401  401  401
REPORT    /dav/<rest:path>                                     401  401  401  401  401
SEARCH    /dav/<rest:path>                                     401  401  401  401  401
UNLOCK    /dav/<rest:path>                                     401  401  401  401  401
COPY      /remote.php/<rest:path>                              401  401  401  401  401
DELETE    /remote.php/<rest:path>                              401  401  401  401  401
GET       /remote.php/<rest:path>                              401  401  401  401  401
LOCK      /remote.php/<rest:path>                              401  401  401  401  401
MKCOL     /remote.php/<rest:path>                              401  401  401  401  401
MOVE      /remote.php/<rest:path>                              401  401  401  401  401
PROPFIND  /remote.php/<rest:path>                              401  401  401  401  401
PROPPATCH /remote.php/<rest:path>                              401  401  401  401  401
PUT       /remote.php/<rest:path>                              401  401  401  401  401
REPORT    /remote.php/<rest:path>                              401  401  401  401  401
SEARCH    /remote.php/<rest:path>                              401  401  401  401  401
UNLOCK    /remote.php/<rest:path>                              401  401  401  401  401
GET    /status.php                                              200  200  200  200  200
POST   /index.php/login/v2                                      200  200  200  200  200
POST   /index.php/login/v2/poll                                 404  404  404  404  404
GET    /index.php/login/v2/flow/<key>                           302  302  302  302  302
GET    /index.php/core/preview                                  401  401  401  401  401
GET    /index.php/core/preview.png                              401  401  401  401  401
GET    /ocs/<version>/<path:path>                               404  404  404  404  404
DELETE /ocs/<version>/core/apppassword                          401  401  401  401  401
GET    /plugins/webdav/                                         in   200  200  200  200
POST   /plugins/webdav/                                         in   422  422  422  400
GET    /plugins/webdav/grant/<key>                              in   404  404  404  404
POST   /plugins/webdav/grant/<key>                              in   404  404  404  400
GET       /dav                                                 308  308  308  308  308
PROPFIND  /dav                                                 308  308  308  308  308
"""

COLUMNS = ("nobody", "member", "other", "admin", "forged")

#: What the numbers and names in the addresses stand for.
PARTS = {
    "user_id": "3",
    "backup/drive_id": "2",
    "guide": "power",
    "name": "none",
    "token": "none",  # guests have a table of their own: tests/unit/test_links.py
    "tag": "HOT-1",
    "filename": "everpx.css",
    "key": "station.time_zone",
    "language": "zh",
}

#: What some forms need to be let through to the end.
FORMS = {
    "POST /sign-in": {"name": "Ben", "password": PASSWORD},
}

World = dict[str, Browser]


@pytest.fixture(autouse=True)
def every_plugin(db: Database) -> None:
    """Also those that are off until somebody wants them; before the console is built."""
    with db.writing() as session:
        for name in plugin.found():
            plugin.switch(session, name, on=True)


@pytest.fixture
def world(app: Flask, db: Database) -> World:
    """A family, one of everything that has a number, and a browser for each column."""
    with db.writing() as session:
        people.add(session, By(), name="Anna", password=PASSWORD, role=Role.ADMIN)
        people.add(session, By(), name="Ben", password=PASSWORD)
        people.add(session, By(), name="Cleo", password=PASSWORD)
        session.add(ApiToken(token_hash="x", user_id=2, name="Bens"))
        session.add(DevicePassword(secret_hash="x", user_id=2, name="Bens"))
        words = Message("test")
        jobs.start(session, "health.check", title=words, lock="test", asked_by=2)
        schedule.upsert(session, "backup.run", "cold:1", Plan(Rhythm.DAILY), title=words)
        health.tell(session, health.Finding("test", Severity.WARNING, words, words))
        sign_ins.open_for(session, people.get(session, 2), "", "")
        _a_photo_of_ben_and_its_copy(session)
        source = ImportSource(user_id=2, kind=SourceKind.SHARE, key="share", title="share", place={})
        session.add(source)
        session.flush()
        session.add(ImportRun(source_id=source.id, asked_by=2, state=RunOfImport.STOPPED))
    names = {"nobody": "", "member": "Ben", "other": "Cleo", "admin": "Anna", "forged": "Anna"}
    return {column: Browser(app, name) for column, name in names.items()}


def _a_photo_of_ben_and_its_copy(session: Session) -> None:
    """On drive 1; drive 2 holds copies, and one run to it is over.  Neither drive is plugged in."""
    for role in (DriveRole.HOT, DriveRole.COLD):
        facts = {"marker_id": role, "number": 1, "name": role, "filesystem": "ext4", "filesystem_uuid": role}
        session.add(Drive(role=role, colour="blue", size=10**12, **facts))
        session.flush()
    session.add(BackupRun(cold_drive_id=2, state=RunState.BRAKED, brake=Message("test")))
    folder = Folder(drive_id=1, path=b"Ben/Photos")
    session.add(folder)
    session.flush()
    file = StoredFile(folder_id=folder.id, name=b"1.jpg", size=1, modified_ns=1)
    session.add(file)
    session.flush()
    session.add(Album(uuid="a", user_id=2, title="Bens"))
    session.add(Media(file_id=file.id, user_id=2, kind=MediaKind.PHOTO, taken=now(), taken_from="file", month=202611))


class Snapshot:
    """The database as it was; tells whether anything was committed since, and goes back to it."""

    def __init__(self, path: Path) -> None:
        self._now, self._kept = sqlite3.connect(path), sqlite3.connect(":memory:")
        self._now.backup(self._kept)
        self._version = self._read()

    def _read(self) -> int:
        return int(self._now.execute("PRAGMA data_version").fetchone()[0])

    def is_changed(self) -> bool:
        return self._read() != self._version

    def restore(self) -> None:
        if self.is_changed():
            self._kept.backup(self._now)
            self._version = self._read()

    def close(self) -> None:
        self._now.close()
        self._kept.close()


@pytest.fixture
def snapshot(world: World, db: Database) -> Iterator[Snapshot]:
    """The database with this world in it, to go back to after each change."""
    kept = Snapshot(db.path)
    yield kept
    kept.close()


def _rows() -> dict[str, dict[str, str]]:
    """``GET /people/`` -> column -> status."""
    rows = {}
    for line in TABLE.strip().splitlines():
        method, path, *statuses = line.split()
        rows[f"{method} {path}"] = dict(zip(COLUMNS, statuses, strict=True))
    return rows


def _routes(app: Flask) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"{method} {rule.rule}"


def _address(path: str) -> str:
    room = "backup/" if "/backup/" in path else ""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda part: PARTS.get(room + part[1], PARTS.get(part[1], "1")), path)


def _ask(browser: Browser, route: str, *, forged: bool = False) -> TestResponse:
    browser.again()
    method, path = route.split(" ", 1)
    address = _address(path)
    if method == "GET":
        return browser.client.get(address)
    headers = {} if forged or not browser.csrf else {"X-CSRFToken": browser.csrf}
    if address.startswith("/api/"):
        return browser.client.open(address, method=method, json={}, headers=headers)
    form = {} if forged else {"csrf_token": browser.csrf}
    return browser.client.open(address, method=method, data=form | FORMS.get(route, {}))


def _said(answer: TestResponse) -> str:
    if answer.status_code in (302, 303) and answer.headers["Location"].startswith("/sign-in"):
        return "in"
    return str(answer.status_code)


def _loose_headers(answer: TestResponse) -> list[str]:
    """What a browser would be allowed that it must not be."""
    given = answer.headers
    policy = given["Content-Security-Policy"]
    if answer.request.path == "/hash-worker.js":  # hashes files with WebAssembly, beside the page
        policy = policy.replace("'wasm-unsafe-eval'", "")
    empty = answer.request.path == "/safe/proof"  # asked by the http page, which is another origin; it holds nothing
    strict = {
        "default-src 'none'": "default-src 'none'" in policy,
        "framed by nobody": "frame-ancestors 'none'" in policy or "sandbox" in policy,
        "no inline script or style": "unsafe-" not in policy and "*" not in policy,
        "nosniff": given["X-Content-Type-Options"] == "nosniff",
        "referrer": given["Referrer-Policy"] == "same-origin",
        "opener": given["Cross-Origin-Opener-Policy"] == "same-origin",
        "embedder": given["Cross-Origin-Resource-Policy"] == ("cross-origin" if empty else "same-origin"),
        "not kept": given["Cache-Control"] == "no-store" or answer.request.path.startswith("/static/"),
        "not for other origins": "Access-Control-Allow-Origin" not in given,
    }
    return [rule for rule, kept in strict.items() if not kept]


def test_every_route_has_a_row_and_every_row_a_route(app: Flask) -> None:
    assert sorted(_routes(app)) == sorted(_rows())


@pytest.mark.parametrize("column", COLUMNS)
def test_everybody_gets_what_the_table_says_and_no_get_changes_anything(
    column: str, world: World, snapshot: Snapshot
) -> None:
    wrong = {}
    for route, expected in _rows().items():
        with closing(_ask(world[column], route, forged=column == "forged")) as answer:
            said = _said(answer)
            assert _loose_headers(answer) == [], route
        if said != expected[column]:
            wrong[route] = f"{said} instead of {expected[column]}"
        if route.startswith("GET") and snapshot.is_changed():
            wrong[route] = "changed the database"
        snapshot.restore()
    assert wrong == {}
