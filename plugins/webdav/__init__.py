"""Phone apps and file programs: WebDAV, and the protocol of Nextcloud's clients, on the family's own files."""
