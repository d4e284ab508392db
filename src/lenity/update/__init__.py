"""The PPO update."""
