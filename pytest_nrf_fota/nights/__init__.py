"""Reports over nights: what runs left behind, merged, and what broke, on which kit, since when."""
