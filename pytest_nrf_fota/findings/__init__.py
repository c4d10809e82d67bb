"""What is found and said: findings with a code, gates of an update, evidence of a wire."""
