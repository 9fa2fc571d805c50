//! A stratified, seeded split of the training images into training and validation.

use super::{CLASSES, DataError, hexadecimal};
use crate::random::{Purpose, stream};
use rand::seq::SliceRandom;
use sha2::{Digest, Sha256};

/// Which images train and which validate: indices into the data set's training images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Images to train on, ascending.
    pub train: Vec<u32>,
    /// Images to choose configurations and stop by, ascending; none of them trains.
    pub validation: Vec<u32>,
}

impl Split {
    /// Splits images by their `labels`, keeping class proportions.
    ///
    /// Each class has, in either part, its exact share rounded down or up. The validation images
    /// are drawn first, so that studies which differ in `train` only mostly share them. Without
    /// `validation` a tenth of the images (but no more than `train` leaves, and at least one)
    /// validates; without `train` all the others train.
    ///
    /// # Errors
    /// [`DataError::NoImages`] if either part is empty, [`DataError::TooManyImages`] if there are
    /// not enough images.
    pub fn stratified(
        labels: &[u8],
        train: Option<usize>,
        validation: Option<usize>,
        seed: u64,
    ) -> Result<Self, DataError> {
        let available = labels.len();
        let (train, validation) = sizes(available, train, validation)?;

        let mut classes: Vec<Vec<u32>> = vec![Vec::new(); CLASSES];
        for (index, &label) in (0..).zip(labels) {
            let label = usize::from(label);
            if label >= classes.len() {
                classes.resize(label + 1, Vec::new());
            }
            classes[label].push(index);
        }
        let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
        let shares = shares(&sizes, [validation, train, available - train - validation]);

        let mut split =
            Self { train: Vec::with_capacity(train), validation: Vec::with_capacity(validation) };
        for (class, (members, share)) in classes.iter_mut().zip(&shares).enumerate() {
            members.shuffle(&mut stream(seed, Purpose::Split, class as u64));
            split.validation.extend(&members[..share[0]]);
            split.train.extend(&members[share[0]..][..share[1]]);
        }
        split.train.sort_unstable();
        split.validation.sort_unstable();
        Ok(split)
    }

    /// The first `train` images train and the next `validation` ones validate, as they stand in the
    /// files; missing counts as in [`Split::stratified`].
    ///
    /// # Errors
    /// As in [`Split::stratified`].
    pub fn in_order(
        available: usize,
        train: Option<usize>,
        validation: Option<usize>,
    ) -> Result<Self, DataError> {
        let (train, validation) = sizes(available, train, validation)?;
        let (train, all) = (train as u32, (train + validation) as u32);
        Ok(Self { train: (0..train).collect(), validation: (train..all).collect() })
    }

    /// SHA-256 of the split in hexadecimal, for the manifest: the two lengths and then the indices,
    /// each as a little-endian `u32`.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for part in [&self.train, &self.validation] {
            hash.update((part.len() as u32).to_le_bytes());
            for index in part {
                hash.update(index.to_le_bytes());
            }
        }
        hexadecimal(&hash.finalize())
    }
}

/// Fills in missing counts and checks that there are images for both parts.
fn sizes(
    available: usize,
    train: Option<usize>,
    validation: Option<usize>,
) -> Result<(usize, usize), DataError> {
    let validation = validation.unwrap_or_else(|| {
        let left = available.saturating_sub(train.unwrap_or(0));
        (available / 10).min(left).max(1)
    });
    let train = train.unwrap_or_else(|| available.saturating_sub(validation).max(1));
    for (count, flag) in [(train, "--train-images"), (validation, "--validation-images")] {
        if count == 0 {
            return Err(DataError::NoImages { flag, available });
        }
    }
    if train.saturating_add(validation) > available {
        return Err(DataError::TooManyImages { train, validation, available });
    }
    Ok((train, validation))
}

/// How many images of each class go to each part: every exact share `size·part/total` rounded down
/// or up, with rows and columns that add up exactly ("controlled rounding"; such a table always
/// exists: Bacharach, Management Science 12(9), 1966).
fn shares(sizes: &[usize], parts: [usize; 3]) -> Vec<[usize; 3]> {
    let total: usize = parts.iter().sum();
    // Integers, since rounding a share in floating point could lose or gain an image.
    let product = |size: usize, part: usize| size as u128 * part as u128;
    let floor = |size, part| (product(size, part) / total as u128) as usize;
    let rest = |size, part| product(size, part) % total as u128;

    let mut table: Vec<[usize; 3]> =
        sizes.iter().map(|&size| parts.map(|part| floor(size, part))).collect();
    let mut raised = vec![[false; 3]; sizes.len()];
    let mut missing = [0_isize; 3];
    for (part, missing) in missing.iter_mut().enumerate() {
        *missing = parts[part] as isize - table.iter().map(|row| row[part]).sum::<usize>() as isize;
    }
    // Each row is filled up by its largest fractions; the columns are then put right one at a time.
    for (row, &size) in sizes.iter().enumerate() {
        let mut order = [0, 1, 2];
        order.sort_by_key(|&part| std::cmp::Reverse(rest(size, parts[part])));
        for &part in &order[..size - table[row].iter().sum::<usize>()] {
            raised[row][part] = true;
            missing[part] -= 1;
        }
    }
    // Moves one raise from part `from` to part `to`, if some class allows both roundings.
    let shift = |raised: &mut Vec<[bool; 3]>, from: usize, to: usize| -> bool {
        let row = (0..sizes.len())
            .find(|&row| raised[row][from] && !raised[row][to] && rest(sizes[row], parts[to]) > 0);
        if let Some(row) = row {
            raised[row][from] = false;
            raised[row][to] = true;
        }
        row.is_some()
    };
    while let (Some(from), Some(to)) =
        (missing.iter().position(|&m| m < 0), missing.iter().position(|&m| m > 0))
    {
        // With three parts the way from one to another is direct or over the third.
        let over = 3 - from - to;
        let moved = shift(&mut raised, from, to)
            || (shift(&mut raised, from, over) && shift(&mut raised, over, to));
        assert!(moved, "a controlled rounding always exists");
        missing[from] += 1;
        missing[to] -= 1;
    }
    for (row, raised) in table.iter_mut().zip(&raised) {
        for (count, &raised) in row.iter_mut().zip(raised) {
            *count += usize::from(raised);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(labels: &[u8], indices: &[u32]) -> [usize; CLASSES] {
        let mut counts = [0; CLASSES];
        for &index in indices {
            counts[usize::from(labels[index as usize])] += 1;
        }
        counts
    }

    proptest! {
        #[test]
        fn parts_are_disjoint_and_keep_proportions(
            labels in prop::collection::vec(0_u8..10, 2..400),
            cut in 0.0..1.0_f64,
            spare in 0.0..1.0_f64,
            seed: u64,
        ) {
            let n = labels.len();
            let used = 2 + ((n - 2) as f64 * spare) as usize;
            let train = 1 + ((used - 2) as f64 * cut) as usize;
            let validation = used - train;
            let split = Split::stratified(&labels, Some(train), Some(validation), seed).unwrap();
            prop_assert_eq!(split.train.len(), train);
            prop_assert_eq!(split.validation.len(), validation);
            let mut all: Vec<u32> = split.train.iter().chain(&split.validation).copied().collect();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all.len(), used);
            let everything: Vec<u32> = (0..n as u32).collect();
            let sizes = counts(&labels, &everything);
            for (part, want) in [(&split.train, train), (&split.validation, validation)] {
                for (have, size) in counts(&labels, part).into_iter().zip(sizes) {
                    let share = (size * want) as f64 / n as f64;
                    prop_assert!((have as f64 - share).abs() < 1.0, "{} of {}", have, share);
                }
            }
        }

        #[test]
        fn shares_add_up(sizes in prop::collection::vec(0_usize..9, 1..12), a in 0_usize..99, b in 0_usize..99) {
            let total: usize = sizes.iter().sum();
            prop_assume!(total > 0);
            let first = a % (total + 1);
            let second = b % (total - first + 1);
            let parts = [first, second, total - first - second];
            let table = shares(&sizes, parts);
            for (row, &size) in table.iter().zip(&sizes) {
                prop_assert_eq!(row.iter().sum::<usize>(), size);
            }
            for part in 0..3 {
                prop_assert_eq!(table.iter().map(|row| row[part]).sum::<usize>(), parts[part]);
            }
        }
    }

    /// A rare case in which a rounding can be moved over the third part only.
    #[test]
    fn shares_are_mended_over_the_third_part() {
        let (sizes, parts) = ([6, 6, 8, 3, 5, 8, 3], [26, 10, 3]);
        let table = shares(&sizes, parts);
        for part in 0..3 {
            assert_eq!(table.iter().map(|row| row[part]).sum::<usize>(), parts[part]);
        }
        for (row, size) in table.iter().zip(sizes) {
            assert_eq!(row.iter().sum::<usize>(), size);
        }
    }

    fn cycle(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i % CLASSES) as u8).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_split() {
        let labels = cycle(200);
        let split = |seed| Split::stratified(&labels, Some(100), Some(50), seed).unwrap();
        assert_eq!(split(1), split(1));
        assert_ne!(split(1), split(2));
        assert_ne!(split(1).digest(), split(2).digest());
        assert_eq!(
            split(1).digest(),
            "7d90b07a03077ef24926510a46cd3f096c681b5eaba46c3ea8c06668ad178062"
        );
    }

    #[test]
    fn a_larger_training_set_keeps_the_validation_images() {
        let labels = cycle(1000);
        let small = Split::stratified(&labels, Some(100), Some(100), 3).unwrap();
        let large = Split::stratified(&labels, Some(900), Some(100), 3).unwrap();
        assert_eq!(small.validation, large.validation);
        assert!(small.train.iter().all(|image| large.train.contains(image)));
    }

    #[test]
    fn in_order_the_first_train_and_the_next_validate() {
        let split = Split::in_order(10, Some(4), Some(2)).unwrap();
        assert_eq!((split.train, split.validation), (vec![0, 1, 2, 3], vec![4, 5]));
        assert!(Split::in_order(10, Some(9), Some(2)).is_err());
    }

    #[test]
    fn defaults_share_out_everything() {
        let labels = cycle(50_000);
        let sizes = |train, validation| {
            let split = Split::stratified(&labels, train, validation, 0).unwrap();
            (split.train.len(), split.validation.len())
        };
        assert_eq!(sizes(None, None), (45_000, 5_000));
        assert_eq!(sizes(Some(100), None), (100, 5_000));
        assert_eq!(sizes(Some(49_000), None), (49_000, 1_000));
        assert_eq!(sizes(None, Some(10)), (49_990, 10));
    }

    #[test]
    fn bad_counts_are_errors_that_name_the_flags() {
        let labels = cycle(100);
        let message = |train, validation| {
            Split::stratified(&labels, train, validation, 0).unwrap_err().to_string()
        };
        assert!(message(Some(0), None).contains("--train-images is 0"));
        assert!(message(None, Some(0)).contains("--validation-images is 0"));
        let text = message(Some(80), Some(30));
        assert!(text.contains("--train-images 80") && text.contains("--validation-images 30"));
        assert!(text.contains("110 images, but there are 100"), "{text}");
        assert!(message(Some(100), None).contains("101 images, but there are 100"));
        assert!(message(Some(usize::MAX), Some(usize::MAX)).contains("there are 100"));
        assert!(message(None, Some(100)).contains("--train-images 1"));
        assert!(Split::stratified(&[], None, None, 0).is_err());
        assert!(Split::stratified(&[4], None, None, 0).is_err());
    }
}
