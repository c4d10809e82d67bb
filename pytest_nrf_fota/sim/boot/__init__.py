"""What runs before the application: NSIB and MCUboot as state machines over flash operations."""
