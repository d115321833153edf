//! Things of one kind beside each other, in time linear in their number.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

/// `items` by key, keys in the order they first came.
pub(crate) fn in_order<T: Copy, K: Hash + Eq + Clone>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(T) -> K,
) -> Vec<(K, Vec<T>)> {
    let mut groups: Vec<(K, Vec<T>)> = Vec::new();
    let mut known: HashMap<K, usize> = HashMap::new();
    for item in items {
        let key = key(item);
        let at = *known.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, group)) => group.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// The first of `items`, then how many more there are.
pub(crate) fn first_of<T: Display>(items: &[T], most: usize) -> String {
    let shown: Vec<String> = items.iter().take(most).map(ToString::to_string).collect();
    match items.len().saturating_sub(most) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_in_the_order_of_their_first_member() {
        let groups = in_order(["b1", "a1", "b2"], |item| item.chars().next());
        assert_eq!(groups, [(Some('b'), vec!["b1", "b2"]), (Some('a'), vec!["a1"])]);
    }

    #[test]
    fn a_list_that_is_too_long_ends_in_a_number() {
        assert_eq!(first_of(&["a", "b"], 2), "a, b");
        assert_eq!(first_of(&["a", "b", "c"], 1), "a and 2 more");
        assert_eq!(first_of::<&str>(&[], 1), "");
    }
}
