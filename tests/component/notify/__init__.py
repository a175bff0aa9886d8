"""Messages, on the wire: real mail servers, real web servers."""
