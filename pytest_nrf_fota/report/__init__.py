"""What is written down: the flight recorder, Allure, the terminal summary."""
