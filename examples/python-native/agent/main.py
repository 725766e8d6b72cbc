print("the agent runs")
