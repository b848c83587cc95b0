no inventory
