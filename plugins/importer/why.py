"""Why a file was not brought in: each as the end of "… cannot be read: …"."""

from appliance.words import N_

NOT_ALLOWED = N_("it may be read only by its owner")
BAD_SECTOR = N_("its place on the drive is damaged")
VANISHED = N_("it went while it was being read")
SYSTEM = N_("the drive reports an error")
CHANGED = N_("it changed while it was being read")
NO_MEDIA = N_("it is neither a photo nor a video")
THROWN_AWAY = N_("it was in the bin there")
TRUNCATED = N_("it is incomplete or damaged")
PASSWORD = N_("it is protected by a password")
BOMB = N_("it unpacks to far more than can be right")
SLIP = N_("its name leads out of the archive")
NESTED = N_("it is an archive inside an archive; unpack that one first")
NOT_A_FILE = N_("it is a link, not a file")
TOO_MANY = N_("it holds too many files")
METHOD = N_("it is packed in a way that the station does not know")
EMPTY = N_("it is empty")
