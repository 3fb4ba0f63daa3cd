"""People: sessions, invitations, erasure and retention; used by their routes and loops."""
